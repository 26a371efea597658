//! Importers never panic: seeded mutations of good files, bounded here; `FIREBREAK_SOAK` asks for more.

use firebreak::geometry::{Converter, Datum};
use firebreak::grid::assemble::assemble;
use firebreak::grid::mapping::Mapping;
use firebreak::grid::{Format, Shape, geopackage, items, read, regions};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use sync_protocol::reference::{Reference, RegionLevel};

use super::{collection, line, tower};

/// Mutations of each file where nothing else is asked for.
const MUTATIONS: u64 = 400;
const SEED: u64 = 20_261_125;

fn mutations() -> u64 {
    let rounds = std::env::var("FIREBREAK_SOAK").ok().and_then(|text| text.parse::<u64>().ok());
    rounds.map_or(MUTATIONS, |rounds| rounds * 20)
}

/// One to eight changes of bytes: another byte, a byte less, a piece twice, a piece of interest, a cut.
fn mutated(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    const PIECES: [&[u8]; 12] = [
        b"", b"null", b"-", b"1e999", b"[[[[[[[[", b"}", b"\"", b"\x00", b"\xff\xff\xff\xff", b"NaN",
        b",,,,", b"180.1",
    ];
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..=8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] = random.random(),
            1 => drop(bytes.remove(at)),
            2 => {
                let end = (at + random.random_range(1..64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                let end = (at + random.random_range(0..6)).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            4 => bytes[at] ^= 1 << random.random_range(0..8),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn wgs84() -> Converter {
    Converter::new(Datum::Wgs84).expect("degrees")
}

fn import(bytes: &[u8], format: Format) -> bool {
    let mapping = Mapping::default();
    let Ok(read) = read(bytes, format, &mapping) else { return false };
    let items = items::of(&read.features, &mapping, &wgs84());
    let assembled = assemble(items);
    let _regions = regions::of(&read.features, &mapping, &wgs84(), Some(RegionLevel::Township));
    assembled.items.iter().for_each(|item| {
        let again = Reference::decode(&item.encode());
        assert_eq!(again.as_ref(), Some(item), "what is imported can be read again");
    });
    true
}

fn good_json() -> Vec<u8> {
    let ring = json!([[[103.0, 29.0], [103.1, 29.0], [103.1, 29.1], [103.0, 29.0]]]);
    let mut line = line(1, "132000;66000", &[(103.0, 29.0), (103.1, 29.1)]);
    line["properties"]["nodes"] = json!([1, 2]);
    let region = json!({"type": "Feature", "id": 3, "properties": {"code": "51", "from": "2020-01-01"},
        "geometry": {"type": "Polygon", "coordinates": ring}});
    collection(&[line, tower(1, "N1", (103.0, 29.0)), region])
}

const GOOD_CSV: &str = "线路名称,电压等级,序号,杆号,经度,纬度,wkt\n\
    青线,10kV,1,N001,103.01,29.98,\n青线,10kV,2,N002,103.02,29.98,\n\
    岩线,110千伏,,,,,\"MULTILINESTRING ((103 29, 103.1 29), (103.1 29, 103.2 29.1))\"\n\
    青镇,,,,,,\"POLYGON ((103 29, 103.1 29, 103.1 29.1, 103 29))\"\n";

#[test]
fn importers_never_panic_on_mutated_files() {
    println!("seed {SEED}, {} mutations", mutations());
    let mut random = StdRng::seed_from_u64(SEED);
    for (bytes, format) in [(good_json(), Format::GeoJson), (GOOD_CSV.as_bytes().to_vec(), Format::Csv)] {
        assert!(import(&bytes, format), "the file itself is good");
        let read = (0..mutations()).filter(|_| import(&mutated(&bytes, &mut random), format)).count();
        println!("{format:?}: {read} could be read");
        assert!(read > 0);
    }
}

/// A blob of a GeoPackage: header, no envelope, well-known binary.
fn blob(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut blob = b"GP\x00\x01\xe6\x10\x00\x00\x01".to_vec();
    blob.extend_from_slice(&kind.to_le_bytes());
    blob.extend_from_slice(body);
    blob
}

fn good_blobs() -> Vec<Vec<u8>> {
    let coordinates = |points: &[(f64, f64)]| -> Vec<u8> {
        let count = u32::try_from(points.len()).unwrap().to_le_bytes();
        let points = points.iter().flat_map(|(x, y)| [x.to_le_bytes(), y.to_le_bytes()]).flatten();
        count.into_iter().chain(points).collect()
    };
    let ring = [(103.0, 29.0), (103.1, 29.0), (103.1, 29.1), (103.0, 29.0)];
    let line = coordinates(&ring);
    let rings: Vec<u8> = 1_u32.to_le_bytes().into_iter().chain(line.clone()).collect();
    let inner: Vec<u8> = [1_u32.to_le_bytes().as_slice(), &[1], &2_u32.to_le_bytes(), &line].concat();
    vec![blob(1, &coordinates(&ring[..1])[4..]), blob(2, &line), blob(3, &rings), blob(5, &inner)]
}

#[test]
fn blobs_of_a_geopackage_are_read_and_mutated_ones_do_not_panic() {
    println!("seed {SEED}, {} mutations", mutations());
    let mut random = StdRng::seed_from_u64(SEED);
    for good in good_blobs() {
        let shape = geopackage::shape(&good).expect("a good blob");
        assert_ne!(shape, Shape::None);
        for _ in 0..mutations() {
            let _either = geopackage::shape(&mutated(&good, &mut random));
        }
        for cut in 0..good.len() {
            assert!(geopackage::shape(&good[..cut]).is_err(), "cut at {cut}");
        }
    }
    // A collection nests without bound; a count of 2^32 - 1 is nothing to allocate for.
    let nested = blob(7, &[1, 0, 0, 0, 1, 7, 0, 0, 0].repeat(100_000));
    assert!(geopackage::shape(&nested).is_err());
    for kind in [2, 3, 5, 6] {
        assert!(geopackage::shape(&blob(kind, &[0xff; 4])).is_err());
    }
}
