//! The one sentence of the bureau's report, in Chinese and in English. Nothing stays blank: 0 is printed.

use super::catalogue::Figure;
use super::claim::Standing;
use super::figures::Figures;

/// The Chinese sentence.
pub fn zh(figures: &Figures, standing: &Standing) -> String {
    let of = |figure: Figure| figure.unit().printed(figures.get(figure));
    format!(
        "共排查出隐患 {} 处，其中 {} 处本体隐患、{} 处通道隐患，累计排查线路 {} 条共 {} 公里、累计完成通道砍伐 {} 公里、\
         通道易燃物清理 {} 公里，{}。实施森林防灭火绝缘化改造项目 {} 个，更换绝缘线路 {} 公里，安装小电流接地选线系统 {} 套，\
         安装一二次融合柱上断路器 {} 套。对森林防灭火督导检查共计 {} 次，发现和督促整改隐患 {} 个。开展了 {} 处电力线路迁改、\
         {} 处通讯线路迁改、{} 处天然气迁改。农网升级改造项目 {} 个 {} 万元。新建 110 kV 变电站 {} 个。",
        of(Figure::Hazards),
        of(Figure::LineBody),
        of(Figure::Corridor),
        of(Figure::LinesWalked),
        of(Figure::Walked),
        of(Figure::Felled),
        of(Figure::Cleared),
        claim_zh(standing),
        of(Figure::ConversionProjects),
        of(Figure::Converted),
        of(Figure::SelectionSets),
        of(Figure::PoleBreakers),
        of(Figure::Inspections),
        of(Figure::Supervised),
        of(Figure::RelocationsPower),
        of(Figure::RelocationsTelecom),
        of(Figure::RelocationsGas),
        of(Figure::GridProjects),
        of(Figure::GridFunds),
        of(Figure::Substations),
    )
}

/// The English sentence.
pub fn en(figures: &Figures, standing: &Standing) -> String {
    let of = |figure: Figure| figure.unit().printed(figures.get(figure));
    let funds_cny = figures.get(Figure::GridFunds);
    format!(
        "{} hazards were found, {} on the lines themselves and {} in their corridors; {} lines were patrolled over {} km, \
         {} km of corridor were felled and {} km cleared of fuel; {}. {} covered-conductor projects replaced {} km of line; \
         {} faulted-feeder selection sets and {} integrated pole-mounted breakers were installed. {} supervisory inspections \
         found {} hazards. {} power lines, {} telecom lines and {} gas lines were relocated. {} rural grid upgrades at \
         CNY {}.{:02}. {} new 110 kV substations.",
        of(Figure::Hazards),
        of(Figure::LineBody),
        of(Figure::Corridor),
        of(Figure::LinesWalked),
        of(Figure::Walked),
        of(Figure::Felled),
        of(Figure::Cleared),
        claim_en(standing),
        of(Figure::ConversionProjects),
        of(Figure::Converted),
        of(Figure::SelectionSets),
        of(Figure::PoleBreakers),
        of(Figure::Inspections),
        of(Figure::Supervised),
        of(Figure::RelocationsPower),
        of(Figure::RelocationsTelecom),
        of(Figure::RelocationsGas),
        of(Figure::GridProjects),
        funds_cny / 100,
        funds_cny % 100,
        of(Figure::Substations),
    )
}

/// What the sentence says of elimination: the claim where it holds, else every count that stands against it.
pub fn claim_zh(standing: &Standing) -> String {
    if standing.is_eliminated() {
        return "已完成全部隐患消缺".to_owned();
    }
    let Standing { open, disputed, provisional, held, quarantined, devices_unsent, devices_silent } =
        standing;
    format!(
        "尚未完成全部隐患消缺（未销号 {open} 处，其中销号存疑 {disputed} 处、报告缺失 {provisional} 处、待补 {held} 处；\
         隔离待审记录 {quarantined} 条；有记录未上传的设备 {devices_unsent} 台、期后尚未联系的设备 {devices_silent} 台）"
    )
}

/// The same in English.
pub fn claim_en(standing: &Standing) -> String {
    if standing.is_eliminated() {
        return "all hazards are eliminated".to_owned();
    }
    let Standing { open, disputed, provisional, held, quarantined, devices_unsent, devices_silent } =
        standing;
    format!(
        "not all hazards are eliminated ({open} open, of them {disputed} disputed, {provisional} provisional, {held} held; \
         {quarantined} operations in quarantine; {devices_unsent} devices with unsent work, {devices_silent} not heard of \
         since)"
    )
}
