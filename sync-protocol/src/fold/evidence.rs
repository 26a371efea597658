//! What every cure amounts to by the evidence that it sees, and what is live within that.
//!
//! A standing needs no more of the past than *which standings the live cures in sight have*
//! ([`Evidence`]). Along a chain that follows from the operation before. Where histories meet, it is the union
//! of theirs unless a danger stands on one that answers a cure of another: only then, and where an author was
//! lacking something, it is found by a pass over the graph, for up to 64 such places at once.

use super::graph::{Bits, Graph, Node, WIDTH, add, bits_of, each_bit};
use super::lifecycle::{self, Evidence, Role, role};
use crate::kind::Kind;
use crate::view::Standing;

/// The standing of every cure, by node.
pub(super) fn standings(graph: &Graph<'_>) -> Vec<Option<Standing>> {
    let mut pass = Pass::new(graph);
    for node in 0..graph.len() {
        pass.visit(node);
    }
    pass.standings
}

/// A place whose evidence a pass must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    node: Node,
    /// What an operation right above the node sees: the node and all below it. Else what the node itself sees.
    is_above: bool,
}

struct Pass<'g, 'a> {
    graph: &'g Graph<'a>,
    standings: Vec<Option<Standing>>,
    /// The evidence that an operation right above the node sees.
    above: Vec<Option<Evidence>>,
    /// Places that need a pass, ascending, and how many were taken into one.
    places: Vec<Place>,
    taken: usize,
    batch: Batch,
}

/// One pass for up to 64 places: for each cure, the places at which it is in sight and live.
#[derive(Default)]
struct Batch {
    places: Vec<Place>,
    live: Vec<Bits>,
    /// The same for a cure that is temporary, which any danger answers.
    safe: Vec<Bits>,
    found: Vec<Evidence>,
}

impl Batch {
    /// Adds a cure to the evidence of the places at which it is live.
    fn give(&mut self, node: Node, standing: Standing) {
        let live = if standing == Standing::MadeSafe { &self.safe } else { &self.live };
        for place in each_bit(bits_of(live, node)) {
            if let Some(found) = self.found.get_mut(place) {
                *found = found.with(standing);
            }
        }
    }
}

impl<'g, 'a> Pass<'g, 'a> {
    fn new(graph: &'g Graph<'a>) -> Self {
        let places = places(graph);
        Self {
            graph,
            standings: vec![None; graph.len()],
            above: vec![None; graph.len()],
            places,
            taken: 0,
            batch: Batch::default(),
        }
    }

    fn kind(&self, node: Node) -> Option<Kind> {
        self.graph.effective.get(node).and_then(|effective| effective.kind)
    }

    /// Finds one node's standing and evidence; all below it have theirs.
    fn visit(&mut self, node: Node) {
        self.graph.count(1);
        let sees = self.sees(node);
        let kind = self.kind(node);
        let standing = kind.and_then(|kind| lifecycle::standing(kind, sees.unwrap_or_default()));
        if let Some(standing) = standing {
            self.batch.give(node, standing);
        }
        // Known before the next pass may begin, which may be in sight of this very node.
        if let Some(entry) = self.standings.get_mut(node) {
            *entry = standing;
        }
        let above = if self.graph.is_lacking(node) {
            self.at(Place { node, is_above: true })
        } else {
            sees.map(|sees| sees.after(kind, standing))
        };
        if let Some(entry) = self.above.get_mut(node) {
            *entry = above;
        }
    }

    /// The evidence that a node sees; none where nothing asks for it.
    fn sees(&mut self, node: Node) -> Option<Evidence> {
        if let Some(found) = self.at(Place { node, is_above: false }) {
            return Some(found);
        }
        if self.graph.is_lacking(node) {
            return None;
        }
        let parents = self.graph.parents(node).iter();
        let mut of_parents = parents.map(|parent| self.above.get(*parent).copied().flatten());
        of_parents.try_fold(Evidence::default(), |all, one| Some(all.or(one?)))
    }

    /// What a pass found for a place; none where the place needs none.
    fn at(&mut self, place: Place) -> Option<Evidence> {
        self.places.binary_search(&place).ok()?;
        if self.batch.places.binary_search(&place).is_err() {
            let next: Vec<Place> = self.places.iter().skip(self.taken).take(WIDTH).copied().collect();
            self.taken += next.len();
            self.batch = self.sweep(next);
        }
        let index = self.batch.places.binary_search(&place).ok()?;
        self.batch.found.get(index).copied()
    }

    /// Runs the pass for these places. Cures below the first have their standing; the others add theirs when
    /// they are visited.
    fn sweep(&self, places: Vec<Place>) -> Batch {
        let graph = self.graph;
        let top = places.last().map_or(0, |place| place.node + 1);
        let mut sight: Vec<Bits> = vec![0; top];
        let mut own: Vec<Bits> = vec![0; top];
        let mut cuts: Vec<Bits> = vec![0; top];
        for (index, place) in places.iter().enumerate() {
            if place.is_above {
                add(&mut sight, place.node, 1 << index);
            } else {
                add(&mut own, place.node, 1 << index);
                for lacking in graph.lacking(place.node) {
                    add(&mut cuts, *lacking, 1 << index);
                }
            }
        }
        let mut answered = Answered { cures: vec![0; top], safe: vec![0; top] };
        let mut cut_short: Vec<(Node, Role)> = Vec::new();
        for node in (0..top).rev() {
            let seen = bits_of(&sight, node) & !bits_of(&cuts, node);
            if let Some(entry) = sight.get_mut(node) {
                *entry = seen;
            }
            let (mut cures, mut safe) = answered.at(node);
            let danger = self.kind(node).and_then(role).filter(|role| answers(*role));
            match danger {
                Some(role) if graph.is_lacking(node) => cut_short.push((node, role)),
                Some(Role::AuthoritativeDanger) => (cures, safe) = (cures | seen, safe | seen),
                Some(_) => safe |= seen,
                None => {}
            }
            let flow = seen | bits_of(&own, node);
            graph.count(1);
            if flow | safe != 0 {
                graph.count(graph.parents(node).len());
                for parent in graph.parents(node) {
                    add(&mut sight, *parent, flow);
                    answered.add(*parent, cures, safe);
                }
            }
        }
        self.answer_cut_short(&cut_short, &sight, &mut answered);
        let found = vec![Evidence::default(); places.len()];
        let mut batch = Batch { places, live: vec![0; top], safe: vec![0; top], found };
        for node in 0..top {
            let seen = bits_of(&sight, node);
            if seen != 0 && self.kind(node).and_then(role) == Some(Role::Cure) {
                let (cures, safe) = answered.at(node);
                add(&mut batch.live, node, seen & !cures);
                add(&mut batch.safe, node, seen & !(cures | safe));
                if let Some(standing) = self.standings.get(node).copied().flatten() {
                    batch.give(node, standing);
                }
            }
        }
        batch
    }

    /// Dangers whose author lacked something answer only what they see.
    fn answer_cut_short(&self, dangers: &[(Node, Role)], sight: &[Bits], answered: &mut Answered) {
        for chunk in dangers.chunks(WIDTH) {
            let sources: Vec<Node> = chunk.iter().map(|(node, _)| *node).collect();
            for (node, mask) in self.graph.sweep(&sources, 0).iter().enumerate() {
                for (danger, role) in each_bit(*mask).filter_map(|bit| chunk.get(bit)) {
                    let seen = bits_of(sight, *danger);
                    let cures = if *role == Role::AuthoritativeDanger { seen } else { 0 };
                    answered.add(node, cures, seen);
                }
            }
        }
    }
}

/// For each node the places in whose sight something answers it: any cure, or a temporary one.
struct Answered {
    cures: Vec<Bits>,
    safe: Vec<Bits>,
}

impl Answered {
    fn at(&self, node: Node) -> (Bits, Bits) {
        (bits_of(&self.cures, node), bits_of(&self.safe, node))
    }

    fn add(&mut self, node: Node, cures: Bits, safe: Bits) {
        add(&mut self.cures, node, cures);
        add(&mut self.safe, node, safe);
    }
}

const fn answers(role: Role) -> bool {
    matches!(role, Role::Danger | Role::AuthoritativeDanger)
}

/// The places whose evidence must be found by a pass: where something asks for it and neither a chain nor a
/// plain union gives it.
fn places(graph: &Graph<'_>) -> Vec<Place> {
    let is_hard = hard(graph);
    let mut places = Vec::new();
    let mut wants_above = vec![false; graph.len()];
    for node in (0..graph.len()).rev() {
        graph.count(1);
        let kind = graph.effective.get(node).and_then(|effective| effective.kind);
        let mut wants_own = matches!(kind, Some(Kind::Verified | Kind::Closed));
        if wants_above.get(node) == Some(&true) {
            if graph.is_lacking(node) {
                places.push(Place { node, is_above: true });
            } else {
                wants_own = true;
            }
        }
        if !wants_own {
            continue;
        }
        if is_hard.get(node) == Some(&true) {
            places.push(Place { node, is_above: false });
        } else {
            for parent in graph.parents(node) {
                if let Some(wants) = wants_above.get_mut(*parent) {
                    *wants = true;
                }
            }
        }
    }
    places.sort_unstable();
    places
}

/// Whether a node's evidence cannot be had from its parents': its author lacked something, or histories meet
/// and a danger below may answer a cure of another history.
fn hard(graph: &Graph<'_>) -> Vec<bool> {
    /// A cure is below.
    const CURE: u8 = 1;
    /// A danger is below that has a cure below itself.
    const KILLER: u8 = 2;
    let mut below: Vec<u8> = Vec::with_capacity(graph.len());
    let mut hard = Vec::with_capacity(graph.len());
    for (node, effective) in graph.effective.iter().enumerate() {
        let parents = graph.parents(node);
        graph.count(parents.len());
        let seen = parents.iter().filter_map(|parent| below.get(*parent)).fold(0, |all, one| all | one);
        hard.push(graph.is_lacking(node) || (parents.len() > 1 && seen & KILLER != 0));
        below.push(
            seen | match effective.kind.and_then(role) {
                Some(Role::Cure) => CURE,
                Some(Role::Danger | Role::AuthoritativeDanger) if seen & CURE != 0 => KILLER,
                _ => 0,
            },
        );
    }
    hard
}
