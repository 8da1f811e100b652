//! Secrets that stand in definitions, told by the key that they stand under and by their shape.
//!
//! Definitions are in version control, and their text is stored in the lake with each run; so a secret is named there, as `${NAME}`, and
//! stands in the environment. No message repeats one: lines that are shown have stars in its place.

use std::ops::Range;

/// The file whose keys may be those of credentials; in others, a key may be the name of a column.
const SETTINGS: &str = "tranche.yaml";

/// Parts of keys that credentials stand under.
const KEYS: [&str; 10] = [
    "secret",
    "password",
    "passwd",
    "token",
    "private_key",
    "access_key",
    "account_key",
    "api_key",
    "credential",
    "sas_key",
];

/// Keys that name where a secret is.
const NAMES: [&str; 5] = ["_variable", "_path", "_file", "_uri", "_endpoint"];

/// Parts of the names of a URL's parameters that carry credentials.
const PARAMETERS: [&str; 8] = ["sig", "token", "secret", "password", "passwd", "key", "credential", "auth"];

/// Receivers whose whole path is a secret.
const SECRET_PATHS: [&str; 4] = ["hooks.slack.com", "discord.com", "webhook.office.com", "hooks.zapier.com"];

/// A secret in a line.
pub(crate) struct Found {
    /// Where it stands.
    pub(crate) bytes: Range<usize>,
    /// What it is.
    pub(crate) what: &'static str,
}

/// A line of a file with stars in place of secrets, and of what may be one: the paths of URLs among the settings.
pub(crate) fn masked(path: &str, line: &str) -> String {
    let mut hidden: Vec<Range<usize>> = found(path, line).into_iter().map(|found| found.bytes).collect();
    if path == SETTINGS {
        hidden
            .extend(urls(line).filter_map(|url| tail(&line[url.clone()]).map(|at| url.start + at..url.end)));
    }
    let is_hidden = |at: usize| hidden.iter().any(|range| range.contains(&at));
    line.char_indices().map(|(at, c)| if is_hidden(at) { '*' } else { c }).collect()
}

/// A text without the secrets of URLs in it.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    masked("", text)
}

/// The secrets in a line of a file, in their order.
pub(crate) fn found(path: &str, line: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for url in urls(line) {
        found.extend(in_url(line, &url));
    }
    if path == SETTINGS {
        found.extend(under_keys(line));
    }
    found.extend(by_shape(line));
    found.sort_by_key(|found| found.bytes.start);
    found.dedup_by(|next, first| next.bytes.start < first.bytes.end);
    found
}

/// Where URLs stand in a line.
fn urls(line: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    line.match_indices("://").map(|(at, _)| {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let start = line[..at].trim_end_matches(is_scheme).len();
        let mut open = 0_usize;
        // A brace closes the mapping around, unless it is that of a variable.
        let is_end = |c: char| match c {
            '{' => {
                open += 1;
                false
            }
            '}' if open > 0 => {
                open -= 1;
                false
            }
            '}' | '\'' | '"' | '`' | ',' | ')' | ']' | '<' | '>' => true,
            c => c.is_whitespace(),
        };
        start..line[at..].find(is_end).map_or(line.len(), |end| at + end)
    })
}

/// Where a URL's part behind its host begins, if it has one.
fn tail(url: &str) -> Option<usize> {
    let host = url.find("://")? + 3;
    let at = url[host..].find(['/', '?', '#']).map(|at| host + at + 1)?;
    (at < url.len()).then_some(at)
}

fn in_url(line: &str, url: &Range<usize>) -> Vec<Found> {
    let mut found = Vec::new();
    let text = &line[url.clone()];
    let Some(host) = text.find("://").map(|at| at + 3) else { return found };
    let end = tail(text).map_or(text.len(), |at| at - 1);
    let mut push = |range: Range<usize>, what| {
        if is_written(&text[range.clone()]) {
            found.push(Found { bytes: url.start + range.start..url.start + range.end, what });
        }
    };
    let mut name = host..end;
    if let Some(at) = text[host..end].rfind('@') {
        name.start = host + at + 1;
        if let Some(colon) = text[host..host + at].find(':') {
            push(host + colon + 1..host + at, "a password");
        }
    }
    let name = text[name].split(':').next().unwrap_or_default();
    let is_secret_path =
        SECRET_PATHS.iter().any(|known| name == *known || name.ends_with(&format!(".{known}")));
    if let Some(path) = tail(text).filter(|_| is_secret_path) {
        push(path..text.len(), "the secret address of a receiver");
        return found;
    }
    if let Some(query) = text.find('?') {
        let mut at = query + 1;
        for parameter in text[at..].split('&') {
            if let Some((name, value)) = parameter.split_once('=') {
                let lower = name.to_lowercase();
                if PARAMETERS.iter().any(|part| lower.contains(part)) {
                    push(at + name.len() + 1..at + name.len() + 1 + value.len(), "a credential");
                }
            }
            at += parameter.len() + 1;
        }
    }
    found
}

/// Values of keys that credentials stand under: `aws_secret_access_key: abc`.
fn under_keys(line: &str) -> Vec<Found> {
    let code = line.split(" #").next().unwrap_or(line);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut found = Vec::new();
    for (colon, _) in code.match_indices(':') {
        let behind = &code[colon + 1..];
        if !behind.starts_with([' ', '\t']) {
            continue;
        }
        let before = code[..colon].trim_end_matches(['\'', '"', ' ']);
        let key = before[before.trim_end_matches(is_name).len()..].to_lowercase();
        if !KEYS.iter().any(|part| key.contains(part)) || NAMES.iter().any(|end| key.ends_with(end)) {
            continue;
        }
        let start = colon + 1 + (behind.len() - behind.trim_start().len());
        let value = &code[start..];
        let (start, end) = match value.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                (start + 1, value[1..].find(quote).map_or(code.len(), |end| start + 1 + end))
            }
            _ => (
                start,
                start + value.find([',', '}']).filter(|_| !value.starts_with("${")).unwrap_or(value.len()),
            ),
        };
        let end = start + code[start..end].trim_end().len();
        if is_written(&code[start..end]) && !matches!(&code[start..end], "null" | "~" | "|" | ">") {
            found.push(Found { bytes: start..end, what: "a credential" });
        }
    }
    found
}

/// What is a secret by its shape, wherever it stands.
fn by_shape(line: &str) -> Vec<Found> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '=');
    let mut found = Vec::new();
    for (prefix, least, what) in [
        ("AKIA", 20, "the id of an access key"),
        ("ASIA", 20, "the id of an access key"),
        ("ghp_", 30, "a token"),
        ("xoxb-", 20, "a token"),
        ("xoxp-", 20, "a token"),
        ("eyJ", 60, "a token"),
        ("Bearer ", 23, "a token"),
        ("-----BEGIN ", 11, "a private key"),
    ] {
        for (at, _) in line.match_indices(prefix) {
            let behind = &line[at + prefix.len()..];
            let length = prefix.len() + behind.find(|c| !is_token(c)).unwrap_or(behind.len());
            let begins = !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let is_key = what != "a private key" || line.contains("PRIVATE KEY");
            if begins && is_key && length >= least {
                found.push(Found { bytes: at..at + length, what });
            }
        }
    }
    found
}

/// Whether a value is written out, and not the name of a variable.
fn is_written(value: &str) -> bool {
    !value.is_empty() && !value.starts_with("${")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, line: &str, secrets: &[&str]) {
        let found: Vec<&str> = found(path, line).into_iter().map(|found| &line[found.bytes]).collect();
        assert_eq!(found, secrets, "{line}");
        let shown = masked(path, line);
        assert_eq!(shown.chars().count(), line.chars().count(), "{shown}");
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }

    #[test]
    fn secrets_are_told_by_key_and_shape() {
        let settings = |line: &str, secrets: &[&str]| check("tranche.yaml", line, secrets);
        settings("storage: {aws_secret_access_key: 'abc', aws_region: eu}", &["abc"]);
        settings("  AWS_SECRET_ACCESS_KEY: abc # mine", &["abc"]);
        settings("  azure_storage_sas_key: \"a,b\"", &["a,b"]);
        settings("  aws_session_token: ${TOKEN}", &[]);
        settings("  google_service_account_path: key.json", &[]);
        settings("lineage: {url: 'https://c.example.org/v1', api_key_variable: CATALOGUE_KEY}", &[]);
        settings("lake: s3://bucket/lake", &[]);
        settings("- {to: webhook, url: 'https://u:pw@h.example.org/x?token=t1&a=b'}", &["pw", "t1"]);
        settings("- {to: email, url: smtps://night%40example.org:${MAIL_PASSWORD}@mail.example.org}", &[]);
        settings("- {to: webhook, url: ${HOOK}}", &[]);
        settings("- {to: webhook, url: https://hooks.slack.com/services/T0/B0/x}", &["services/T0/B0/x"]);
        settings("- {to: webhook, url: 'https://hooks.slack.com/${SLACK_PATH}', on: [failure]}", &[]);
        let source = |line: &str, secrets: &[&str]| check("pipelines/p/sources/a.yaml", line, secrets);
        source("columns: {api_token: \"substr(token, 1, 3)\"}", &[]);
        source("path: https://u:pw@h.example.org/x.csv?sig=abc", &["pw", "abc"]);
        source("path: az://c/p?sv=2020&sig=${SIG}", &[]);
        source("# AKIAIOSFODNN7EXAMPLE", &["AKIAIOSFODNN7EXAMPLE"]);
        source("api: 'Bearer abcdefghijklmnopqrstuvwxyz'", &["Bearer abcdefghijklmnopqrstuvwxyz"]);
        source("-----BEGIN RSA PRIVATE KEY-----", &["-----BEGIN RSA"]);
        source("at: 2026-11-30T08:00:00Z", &[]);
    }

    #[test]
    fn paths_among_the_settings_are_not_shown() {
        let line = "- {to: webhook, url: 'https://h.example.org/hidden/t0', onn: [failure]}";
        assert_eq!(masked("tranche.yaml", line), line.replace("hidden/t0", "*********"));
        assert_eq!(masked("tranche.yaml", "- {url: http://h/a}"), "- {url: http://h/*}");
    }
}
