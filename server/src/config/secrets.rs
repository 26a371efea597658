//! A database's address as it may be shown: without what may be a secret.

/// Parameters of a database's address whose values are no secrets.
const NO_SECRETS: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "application_name",
    "statement-cache-capacity",
];

/// An address with its passwords replaced: that before the host, and whatever its parameters say that may be one. What is no
/// address is hidden whole.
pub(super) fn hide_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "***".to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    if query.is_some_and(|query| query.contains('@')) {
        // A password with a question mark in it, perhaps.
        return format!("{scheme}://***");
    }
    let place = match place.rsplit_once('@') {
        Some((credentials, host)) => {
            let user = credentials.split_once(':').map_or(credentials, |(user, _)| user);
            format!("{user}:***@{host}")
        }
        None => place.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(hide_secret).collect::<Vec<_>>().join("&"));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{place}{query}")
}

/// A parameter of an address, its value replaced where that may be a secret.
fn hide_secret(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if NO_SECRETS.contains(&name) => parameter.to_owned(),
        Some((name, _)) => format!("{name}=***"),
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let hidden = hide_password("postgres://bureau:p@ss@127.0.0.1:5432/ledger");
        assert_eq!(hidden, "postgres://bureau:***@127.0.0.1:5432/ledger");
        for (address, shown) in [
            ("postgres://u:secret@h/db?password=zzz", "postgres://u:***@h/db?password=***"),
            (
                "postgres://h/db?user=u&password=zzz&sslmode=require",
                "postgres://h/db?user=u&password=***&sslmode=require",
            ),
            (
                "postgres://u@h/db?p%61ssword=zzz&sslkey=zzz",
                "postgres://u:***@h/db?p%61ssword=***&sslkey=***",
            ),
            ("postgres://u@h/db?password=zzz@zzz", "postgres://***"),
            ("postgres://u:z@z?z@h/db", "postgres://***"),
            ("postgres://h/db?user=u&password=zz&zz", "postgres://h/db?user=u&password=***&***"),
            ("postgres://u:zz?zz@h/db?sslmode=require", "postgres://***"),
            ("postgres://127.0.0.1:5432/ledger", "postgres://127.0.0.1:5432/ledger"),
            ("host=h password=zzz", "***"),
        ] {
            assert_eq!(hide_password(address), shown, "{address}");
        }
    }
}
