//! The grow-only sets beside the fields: photos and what is known of them, comments, track pieces, withdrawals, operations
//! that will not come.

use std::collections::BTreeSet;

use super::effective::Effective;
use super::graph::{Graph, Node};
use super::lifecycle::is_closing;
use crate::cbor::Raw;
use crate::ids::{Head, Identity, PhotoHash};
use crate::kind::Kind;
use crate::operation::{Identified, Photo};
use crate::view::{PhotoState, PhotoView, Standing, View};

/// Adds one operation's photos, comment or track piece to a view.
pub(super) fn add(view: &mut View, operation: &Identified, effective: &Effective<'_>) {
    for Photo { role, bytes, sha256 } in &operation.operation.photos {
        let photo = photo(view, *sha256);
        let named = Some((role.clone(), *bytes));
        // Two that name it differently: the smaller shows, whichever came first.
        if photo.named.is_none() || named < photo.named {
            photo.named = named;
        }
    }
    match effective.kind {
        Some(Kind::Commented) => view.comments = view.comments.saturating_add(1),
        Some(Kind::PatrolTrack) => view.track_pieces = view.track_pieces.saturating_add(1),
        Some(Kind::PhotoVerified) => settle(view, effective, PhotoState::Verified),
        Some(Kind::WrittenOff) => {
            settle(view, effective, PhotoState::WrittenOff);
            view.given_up.extend(gives_up(effective));
        }
        Some(Kind::Redacted) => settle(view, effective, PhotoState::Redacted),
        _ => {}
    }
}

/// The operation that a write-off says will not come.
fn gives_up(effective: &Effective<'_>) -> Option<Head> {
    Head::try_from(effective.get("predecessor")?.as_byte_string()?).ok()
}

fn photo(view: &mut View, hash: PhotoHash) -> &mut PhotoView {
    view.photos.entry(hash).or_insert(PhotoView { state: PhotoState::Named, named: None })
}

/// Marks the photo that the operation is about. Verified bytes stay verified, and what was redacted stays so.
fn settle(view: &mut View, effective: &Effective<'_>, state: PhotoState) {
    let Some(hash) = effective.get("photo").and_then(Raw::as_byte_string) else {
        return;
    };
    let Ok(hash) = PhotoHash::try_from(hash) else {
        return;
    };
    let photo = photo(view, hash);
    photo.state = photo.state.and(state);
    for act in &mut view.acts {
        act.pending.remove(&hash);
    }
}

/// Photos that are neither verified nor written off, by the operation that names them.
pub(super) struct Open(Vec<(Node, Vec<PhotoHash>)>);

/// Finds the open photos, where anything asks for them.
pub(super) fn open(graph: &Graph<'_>, view: &View, is_wanted: bool) -> Open {
    if !is_wanted {
        return Open(Vec::new());
    }
    let is_open =
        |hash: &PhotoHash| view.photos.get(hash).is_some_and(|photo| photo.state == PhotoState::Named);
    let by_node = graph.operations.iter().enumerate().map(|(node, operation)| {
        let hashes = operation.operation.photos.iter().map(|photo| photo.sha256).filter(is_open);
        (node, hashes.collect::<Vec<_>>())
    });
    Open(by_node.filter(|(_, hashes)| !hashes.is_empty()).collect())
}

impl Open {
    /// Those that a closing names itself or sees. Other acts wait for none.
    pub(super) fn seen_by(
        &self,
        graph: &Graph<'_>,
        act: Node,
        sees: impl Fn(Node) -> bool,
        standing: Standing,
    ) -> BTreeSet<PhotoHash> {
        if !is_closing(standing) {
            return BTreeSet::new();
        }
        graph.count(self.0.len());
        let past = self.0.iter().filter(|(node, _)| *node == act || sees(*node));
        past.flat_map(|(_, hashes)| hashes.iter().copied()).collect()
    }
}

/// The operation that a withdrawal names, by its head.
pub(super) fn withdraws(effective: &Effective<'_>) -> Option<Head> {
    let named = effective.get("withdraws").filter(|_| effective.kind == Some(Kind::Withdrawn))?;
    Identity::try_from(named.as_byte_string()?).ok().map(|identity| identity.head())
}

/// Finds the operations that their own author has withdrawn. A withdrawal counts for what it sees.
pub(super) fn fold_withdrawals(graph: &Graph<'_>, view: &mut View) {
    let author = |node: Node| graph.effective.get(node).map(|effective| effective.author);
    let is_own = |withdrawal: Node, target: Node| author(withdrawal) == author(target);
    let targets = graph.named_and_seen(withdraws, is_own);
    let heads = targets.into_iter().filter_map(|target| graph.operations.get(target));
    view.withdrawn.extend(heads.map(|operation| operation.head()));
}
