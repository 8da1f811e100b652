//! Pages and documents that people open: each has a checksum of itself in it, so that no second object can be lost or be of another time.

/// How a page is written, and so where its checksum stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFormat {
    /// A JSON object; the checksum is its last member, `blake3`.
    Json,
    /// HTML; the checksum is a comment behind it.
    Html,
}

impl PageFormat {
    /// The format of an object by its name: `report.json`, `index.html`.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "html" => Some(Self::Html),
            _ => None,
        }
    }

    /// A page with its checksum, which holds its path too: a page in the place of another is told.
    #[must_use]
    pub fn seal(self, path: &str, page: &str) -> String {
        let page = match self {
            Self::Json => {
                let members = page.trim_end().strip_suffix('}').unwrap_or(page).trim_end();
                if members.ends_with('{') { members.to_owned() } else { format!("{members},") }
            }
            Self::Html => page.trim_end().to_owned(),
        };
        let checksum = checksum(path, page.as_bytes());
        let (before, behind) = self.around();
        format!("{page}{before}{checksum}{behind}")
    }

    /// Whether a page is as it was written, and where.
    ///
    /// # Errors
    /// Why it is not, or cannot be told: its checksum is another one, or there is none.
    pub fn check(self, path: &str, page: &[u8]) -> Result<(), &'static str> {
        let (before, behind) = self.around();
        let sealed = page.strip_suffix(behind.as_bytes()).and_then(|page| {
            let at = page.len().checked_sub(2 * blake3::OUT_LEN)?;
            let (page, known) = page.split_at(at);
            Some((page.strip_suffix(before.as_bytes())?, known))
        });
        match sealed {
            Some((page, known)) if checksum(path, page).as_bytes() == known => Ok(()),
            Some(_) => Err("its content is not what was written (checksum)"),
            None => Err("it has no checksum: an earlier version wrote it, or its end is damaged"),
        }
    }

    /// What stands before a checksum and behind it.
    fn around(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("\n  \"blake3\": \"", "\"\n}\n"),
            Self::Html => ("\n<!-- blake3: ", " -->\n"),
        }
    }
}

fn checksum(path: &str, page: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.as_bytes()).update(b"\n").update(page);
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [(&str, &str); 4] = [
        ("report.json", "{\n  \"report\": \"monthly\",\n  \"kpis\": []\n}"),
        ("report.json", "{}\n"),
        ("index.html", "<!doctype html>\n<p>29 orders</p>\n"),
        ("index.html", ""),
    ];

    #[test]
    fn each_flipped_bit_and_each_cut_is_told() {
        for (name, page) in PAGES {
            let format = PageFormat::of(name).unwrap();
            let sealed = format.seal(name, page);
            assert_eq!(format.check(name, sealed.as_bytes()), Ok(()), "{sealed}");
            for bit in 0..sealed.len() * 8 {
                let mut flipped = sealed.clone().into_bytes();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(format.check(name, &flipped).is_err(), "bit {bit} of {sealed}");
            }
            for length in 0..sealed.len() {
                assert!(
                    format.check(name, &sealed.as_bytes()[..length]).is_err(),
                    "{length} bytes of {sealed}"
                );
            }
            assert!(format.check(name, page.as_bytes()).is_err());
            assert!(format.check("another", sealed.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_document_has_its_members_and_its_checksum() {
        let sealed = PageFormat::Json.seal(PAGES[0].0, PAGES[0].1);
        let document: serde_json::Value = serde_json::from_str(&sealed).unwrap();
        let members: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members.len(), 3, "{sealed}");
        assert!(["report", "kpis", "blake3"].iter().all(|name| members.contains(name)), "{sealed}");
        assert!(serde_json::from_str::<serde_json::Value>(&PageFormat::Json.seal("", "{}")).is_ok());
        assert_eq!(PageFormat::of("members.csv"), None);
        assert!(
            PageFormat::Html.seal("", PAGES[2].1).starts_with("<!doctype html>\n<p>29 orders</p>\n<!-- ")
        );
    }
}
