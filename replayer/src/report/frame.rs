//! The frame of a chart as inline SVG that stays readable at any width: axes, their labels, marks.
//!
//! Only what is drawn inside stretches with the window (an inner SVG without a fixed aspect ratio and strokes that do not
//! scale); texts and marks stand at percentages of the width and keep their size.

/// Width of the inner coordinates; the page stretches them.
pub(crate) const WIDTH: f64 = 1_000.0;
/// Height of most plots, in pixels of the page.
pub(crate) const HEIGHT: f64 = 220.0;

/// What stands around a plot. Texts are harmless already.
pub(crate) struct Frame<'a> {
    /// Unique on the page.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    /// The chart in words, for those who do not see it.
    pub(crate) described: &'a str,
    pub(crate) height: f64,
    /// What the values are.
    pub(crate) axis: &'a str,
    /// Marks of the values: share of the height from below, and label.
    pub(crate) values: Vec<(f64, String)>,
    /// Marks of the other axis: share of the width, and label. Where there is no room, every second one gives way.
    pub(crate) along: Vec<(f64, String)>,
    /// Lines across the plot: share of the width, and what is there; empty where there is no room to say it.
    pub(crate) marks: Vec<(f64, &'a str)>,
}

impl Frame<'_> {
    /// The plot, with `inside` in coordinates of [`WIDTH`] times the height.
    pub(crate) fn draw(&self, inside: &str) -> String {
        let Self { id, title, described, height, axis, .. } = self;
        let values: String = self
            .values
            .iter()
            .map(|(share, label)| {
                let y = height * (1.0 - share);
                format!(r#"<line class="grid" x1="0" x2="100%" y1="{y:.1}" y2="{y:.1}"/><text x="-8" y="{:.1}" class="end">{label}</text>"#, y + 4.0)
            })
            .collect();
        let along: String = (0..)
            .zip(&self.along)
            .map(|(number, (share, label)): (u32, _)| {
                let class = if number % 2 == 1 { "mid spare" } else { "mid" };
                format!(r#"<text x="{:.2}%" y="{}" class="{class}">{label}</text>"#, share * 100.0, height + 20.0)
            })
            .collect();
        let marks: String = self.marks.iter().map(|(share, label)| mark(*share, label)).collect();
        format!(
            r#"<div class="plot"><svg class="frame" height="{height}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{title}</title><desc id="{id}-d">{described}</desc><text x="-56" y="-22" class="axis">{axis}</text>{values}{along}<svg width="100%" height="100%" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none">{inside}</svg>{marks}<line class="hair" x1="0" x2="0" y1="0" y2="100%"/></svg></div>"#
        )
    }
}

fn mark(share: f64, label: &str) -> String {
    let x = share * 100.0;
    // The label leans to where there is room.
    let (class, dx) = if share < 0.5 { ("at", 5) } else { ("at end", -5) };
    let text = match label {
        "" => String::new(),
        label => format!(r#"<text x="{x:.2}%" dx="{dx}" y="-5" class="{class}">{label}</text>"#),
    };
    format!(r#"<line class="mark" x1="{x:.2}%" x2="{x:.2}%" y1="-12" y2="100%"/>{text}"#)
}

/// A chart with its heading; `legend` is its markup, `what` a sentence.
pub(crate) fn figure(id: &str, title: &str, legend: &str, plot: &str, what: &str) -> String {
    format!(
        r#"<figure id="{id}" class="chart" aria-labelledby="{id}-h"><h2 id="{id}-h">{title}</h2><p class="legend">{legend}</p>{plot}<figcaption>{what}</figcaption></figure>"#
    )
}

/// A heading over nothing.
pub(crate) fn nothing(id: &str, title: &str, why: &str) -> String {
    format!(
        r#"<figure id="{id}" aria-labelledby="{id}-h"><h2 id="{id}-h">{title}</h2><p class="nothing">Nothing to draw: {why}.</p></figure>"#
    )
}

/// A line of the legend.
pub(crate) fn entry(class: &str, name: &str) -> String {
    format!(
        r#"<span><svg width="30" height="10" aria-hidden="true"><path class="line {class}" d="M1 5H29"/></svg>{name}</span>"#
    )
}
