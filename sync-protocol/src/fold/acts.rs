//! The frontier of a hazard's lifecycle, found from the whole graph: dangers, live acts, stages.

use super::evidence;
use super::fields::index;
use super::graph::{Bits, Graph, Node, WIDTH, add, bits_of};
use super::lifecycle::{self, Evidence, Path, Role, Unseen, is_closing, is_end, path, role, rung};
use super::photos;
use crate::kind::Kind;
use crate::view::{Act, Stage, Standing, View};

/// Properties of operations in the first pass.
const DANGER: Bits = 1;
const AUTHORITATIVE: Bits = 1 << 1;
/// A stage that takes the place of any.
const FORCED: Bits = 1 << 2;
/// A stage of rank r or more: this bit shifted by r.
const RANK: Bits = 1 << 3;

/// Properties of live acts in the second pass.
const CURE: Bits = 1;
const END: Bits = 1 << 1;
const CLOSING: Bits = 1 << 2;
/// A founded cure of rung r or more: this bit shifted by r.
const RUNG: Bits = 1 << 3;

/// A live cure or end.
#[derive(Clone, Copy, Debug)]
struct Live {
    node: Node,
    standing: Standing,
}

/// Folds the lifecycle into a view whose writers are nodes.
pub(super) fn fold_lifecycle(graph: &Graph<'_>, view: &mut View) {
    let own: Vec<Bits> =
        graph.effective.iter().map(|effective| effective.kind.map_or(0, properties)).collect();
    let seen = graph.seen_by(&own);
    let mut dangers = Vec::new();
    for (node, own) in own.iter().enumerate() {
        if own & DANGER != 0 && bits_of(&seen, node) & DANGER == 0 {
            dangers.push(node);
        }
    }
    view.dangers = dangers.iter().filter_map(|node| index(*node)).collect();
    view.stage = stages(graph, &seen);
    let live = live(graph, &seen);
    let cures = live.iter().filter(|act| !is_end(act.standing));
    view.evidence = cures.fold(Evidence::default(), |all, act| all.with(act.standing)).standings();
    let acts = frontier(graph, &live);
    let unseen = witness(graph, &acts, &dangers, view);
    lifecycle::decide(view, &unseen);
}

fn properties(kind: Kind) -> Bits {
    let of_role = match role(kind) {
        Some(Role::Danger) => DANGER,
        Some(Role::AuthoritativeDanger) => DANGER | AUTHORITATIVE,
        Some(Role::Cure | Role::End(_)) | None => 0,
    };
    let of_stage = match lifecycle::stage(kind) {
        Some((_, true)) => FORCED,
        Some((state, false)) => at_most(RANK, state.progress()),
        None => 0,
    };
    of_role | of_stage
}

/// The bits of a scale from 0 up to a value.
fn at_most(scale: Bits, value: u8) -> Bits {
    (0..=value).fold(0, |bits, step| bits | (scale << step))
}

fn stages(graph: &Graph<'_>, seen: &[Bits]) -> Vec<Stage> {
    let kinds = graph.effective.iter().map(|effective| effective.kind);
    kinds
        .enumerate()
        .filter_map(|(node, kind)| {
            let (state, _) = lifecycle::stage(kind?)?;
            let replaces = FORCED | (RANK << state.progress());
            let is_replaced = bits_of(seen, node) & replaces != 0;
            if is_replaced { None } else { Some(Stage { writer: index(node)?, state }) }
        })
        .collect()
}

/// Cures and ends that nothing has answered.
fn live(graph: &Graph<'_>, seen: &[Bits]) -> Vec<Live> {
    let is_act = |role| matches!(role, Role::Cure | Role::End(_));
    let kinds = || graph.effective.iter().map(|effective| effective.kind);
    if !kinds().any(|kind| kind.and_then(role).is_some_and(is_act)) {
        return Vec::new();
    }
    let standings = evidence::standings(graph);
    let stands = graph.effective.iter().map(|effective| !effective.is_retracted);
    (kinds().zip(stands))
        .zip(standings)
        .enumerate()
        .filter(|(_, ((_, stands), _))| *stands)
        .filter_map(|(node, ((kind, _), standing))| {
            let standing = match role(kind?)? {
                Role::End(end) => end,
                Role::Cure => standing?,
                Role::Danger | Role::AuthoritativeDanger => return None,
            };
            let answers = if standing == Standing::MadeSafe { DANGER } else { AUTHORITATIVE };
            (bits_of(seen, node) & answers == 0).then_some(Live { node, standing })
        })
        .collect()
}

/// The live acts that no later one has superseded.
fn frontier(graph: &Graph<'_>, live: &[Live]) -> Vec<Live> {
    if live.len() < 2 {
        return live.to_vec();
    }
    let mut own: Vec<Bits> = vec![0; graph.len()];
    for act in live {
        add(&mut own, act.node, offers(act.standing));
    }
    let seen = graph.seen_by(&own);
    live.iter().filter(|act| bits_of(&seen, act.node) & superseding(act.standing) == 0).copied().collect()
}

fn offers(standing: Standing) -> Bits {
    let closing = if is_closing(standing) { CLOSING } else { 0 };
    match path(standing) {
        Some(_) => CURE | closing | at_most(RUNG, rung(standing)),
        None if is_end(standing) => END,
        None => CURE,
    }
}

fn superseding(standing: Standing) -> Bits {
    match path(standing) {
        Some(_) => RUNG << rung(standing),
        None if is_end(standing) => END | CLOSING,
        None => CURE,
    }
}

/// Looks at what each act of the frontier has seen, 64 at a time, and puts the acts into the view.
fn witness(graph: &Graph<'_>, acts: &[Live], dangers: &[Node], view: &mut View) -> Unseen {
    let mut unseen = Unseen::default();
    let open_photos = photos::open(graph, view, acts.iter().any(|act| is_closing(act.standing)));
    for chunk in acts.chunks(WIDTH) {
        let sources: Vec<Node> = chunk.iter().map(|act| act.node).collect();
        let masks = graph.sweep(&sources, 0);
        let which = |is: &dyn Fn(&Live) -> bool| {
            let bits = chunk.iter().enumerate().filter(|(_, act)| is(act)).map(|(bit, _)| 1 << bit);
            bits.fold(0, |all, bit: Bits| all | bit)
        };
        let ends = which(&|act| is_end(act.standing));
        let founded = ends | which(&|act| path(act.standing).is_some());
        let mut unsound: Bits = 0;
        for danger in dangers {
            let blind = !bits_of(&masks, *danger);
            unsound |= blind;
            if blind & founded != 0 {
                unseen.dangers.extend(index(*danger));
            }
        }
        let mut unaware: Bits = 0;
        let mut outranked: Bits = 0;
        let lower: Vec<(Path, u8, Bits)> = [Path::Work, Path::NotFound]
            .into_iter()
            .flat_map(|on| (1..=4).map(move |above| (on, above)))
            .map(|(on, above)| {
                let is_lower = |act: &Live| path(act.standing) == Some(on) && rung(act.standing) < above;
                (on, above, which(&is_lower))
            })
            .collect();
        for cure in acts {
            let Some(on) = path(cure.standing) else {
                continue;
            };
            let blind = !bits_of(&masks, cure.node);
            unaware |= blind & ends;
            if blind & ends != 0 {
                unseen.cures.extend(index(cure.node));
            }
            let below = lower.iter().find(|(path, above, _)| (*path, *above) == (on, rung(cure.standing)));
            outranked |= blind & below.map_or(0, |(_, _, bits)| *bits);
        }
        graph.count(dangers.len() + acts.len());
        for (bit, act) in chunk.iter().enumerate() {
            let Some(writer) = index(act.node) else {
                continue;
            };
            let is = |bits: Bits| bits & (1 << bit) != 0;
            view.acts.push(Act {
                writer,
                standing: act.standing,
                is_sound: !is(unsound),
                has_unseen: is(unaware),
                is_outranked: is(outranked),
                pending: open_photos.seen_by(graph, act.node, |node| is(bits_of(&masks, node)), act.standing),
            });
        }
    }
    unseen
}
