//! The frame that all sections of the page share.

use maud::{Markup, Render, html};

/// A titled part of the page.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// How to read it, in a sentence or two.
    pub(super) note: Markup,
    pub(super) body: Markup,
}

impl Render for Section {
    fn render(&self) -> Markup {
        let Self { id, title, note, body } = self;
        html! {
            section id=(id) aria-labelledby={ (id) "-title" } {
                "\n"
                div.aside { h2 id={ (id) "-title" } { (title) } p { (note) } }
                "\n"
                div.body { "\n" (body) }
                "\n"
            }
            "\n"
        }
    }
}
