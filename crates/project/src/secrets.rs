//! Secrets that stand in definitions, told by the key that they stand under and by their shape.
//!
//! Definitions are in version control, and their text is stored in the lake with each run; so a secret is named there, as `${NAME}`, and
//! stands in the environment. No message repeats one: lines that are shown have stars in its place.

use std::ops::Range;

/// The file whose keys may be those of credentials; in others, a key may be the name of a column.
const SETTINGS: &str = "tranche.yaml";

/// Parts of keys that credentials stand under.
const KEYS: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "token",
    "private_key",
    "access_key",
    "account_key",
    "api_key",
    "master_key",
    "customer_key",
    "credential",
    "sas_key",
];

/// Ends of keys that say where a secret is.
const NAMES: [&str; 6] = ["_variable", "_path", "_file", "_uri", "_endpoint", "application_credentials"];

/// The last words of the names of a URL's parameters that carry credentials.
const PARAMETERS: [&str; 10] = [
    "sig",
    "signature",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "apikey",
    "credential",
    "credentials",
];

/// The last two words of such names.
const PAIRS: [[&str; 2]; 4] = [["api", "key"], ["access", "key"], ["account", "key"], ["secret", "key"]];

/// Receivers whose path is a secret, from this part on.
const RECEIVERS: [(&str, &str); 5] = [
    ("hooks.slack.com", ""),
    ("discord.com", "api/webhooks/"),
    ("discordapp.com", "api/webhooks/"),
    ("webhook.office.com", ""),
    ("hooks.zapier.com", ""),
];

/// Parts of such paths that everyone knows.
const KNOWN_PARTS: [&str; 8] =
    ["api", "webhooks", "services", "workflows", "triggers", "webhookb2", "hooks", "catch"];

/// Whether credentials stand under a key.
pub(crate) fn is_credential(key: &str) -> bool {
    let key = key.to_lowercase();
    KEYS.iter().any(|part| key.contains(part)) && !NAMES.iter().any(|end| key.ends_with(end))
}

/// A secret in a line.
pub(crate) struct Found {
    /// Where it stands.
    pub(crate) bytes: Range<usize>,
    /// What it is.
    pub(crate) what: &'static str,
}

/// A line of a file with stars in place of secrets, and of what may be one: the paths of URLs among the settings.
pub(crate) fn masked(path: &str, line: &str) -> String {
    let mut hidden: Vec<Range<usize>> = found(line).into_iter().map(|found| found.bytes).collect();
    if path == SETTINGS {
        hidden.extend(under_keys(line));
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

/// The secrets in a line, in their order.
pub(crate) fn found(line: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for url in urls(line) {
        found.extend(in_url(line, &url));
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
    let host = text[name].split(':').next().unwrap_or_default();
    let is_host = |known: &str| host == known || host.ends_with(&format!(".{known}"));
    if let Some(path) = tail(text)
        && RECEIVERS.iter().any(|(known, part)| is_host(known) && text[path..].starts_with(part))
    {
        let is_known = |part: &str| part.is_empty() || KNOWN_PARTS.contains(&part);
        if !without_variables(&text[path..]).split('/').all(is_known) {
            push(path..text.len(), "the secret address of a receiver");
        }
        return found;
    }
    if let Some(query) = text.find('?') {
        let mut at = query + 1;
        for parameter in text[at..].split('&') {
            if let Some((name, value)) = parameter.split_once('=')
                && is_credential_parameter(name)
                && value.contains(char::is_alphanumeric)
            {
                push(at + name.len() + 1..at + parameter.len(), "a credential");
            }
            at += parameter.len() + 1;
        }
    }
    found
}

/// Whether the name of a URL's parameter says that it carries a credential.
fn is_credential_parameter(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    words.last().is_some_and(|word| PARAMETERS.contains(word))
        || PAIRS.iter().any(|pair| words.ends_with(pair))
}

/// Where values of keys stand that credentials stand under: `aws_secret_access_key: abc`.
fn under_keys(line: &str) -> Vec<Range<usize>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut found = Vec::new();
    for (colon, _) in line.match_indices(':') {
        let before = line[..colon].trim_end_matches(['\'', '"', ' ']);
        if !is_credential(&before[before.trim_end_matches(is_name).len()..]) {
            continue;
        }
        let behind = &line[colon + 1..];
        let start = colon + 1 + (behind.len() - behind.trim_start().len());
        let value = &line[start..];
        let end = match value.chars().next() {
            Some(quote @ ('\'' | '"')) => value[1..].find(quote).map(|end| end + 1),
            Some(_) if value.starts_with("${") => None,
            _ => value.find([',', '}']).or_else(|| value.find(" #")),
        };
        if is_written(value) {
            found.push(start..end.map_or(line.len(), |end| start + end));
        }
    }
    found
}

/// How a secret begins, how many characters of which kind follow, and what it is.
type Shape = (&'static str, std::ops::RangeInclusive<usize>, fn(char) -> bool, &'static str);

/// What is a secret by its shape, wherever it stands.
fn by_shape(line: &str) -> Vec<Found> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '=');
    let is_id = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let mut found = Vec::new();
    let shapes: [Shape; 8] = [
        ("AKIA", 16..=16, is_id, "the id of an access key"),
        ("ASIA", 16..=16, is_id, "the id of an access key"),
        ("ghp_", 30..=usize::MAX, is_token, "a token"),
        ("xoxb-", 20..=usize::MAX, is_token, "a token"),
        ("xoxp-", 20..=usize::MAX, is_token, "a token"),
        ("eyJ", 57..=usize::MAX, is_token, "a token"),
        ("Bearer ", 16..=usize::MAX, is_token, "a token"),
        ("-----BEGIN ", 0..=usize::MAX, |_| true, "a private key"),
    ];
    for (prefix, lengths, is_part, what) in shapes {
        for (at, _) in line.match_indices(prefix) {
            let behind = &line[at + prefix.len()..];
            let length = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
            let goes_on = behind[length..].starts_with(|c: char| is_token(c) && !matches!(c, '.' | '='));
            let begins = !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let is_key = what != "a private key" || line.contains("PRIVATE KEY");
            if begins && !goes_on && is_key && lengths.contains(&length) {
                found.push(Found { bytes: at..at + prefix.len() + length, what });
            }
        }
    }
    found
}

/// Whether a value is written out, and not by the names of variables alone.
fn is_written(value: &str) -> bool {
    !without_variables(value).trim().is_empty()
}

/// A text without the variables in it.
fn without_variables(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, variable)) = rest.split_once("${") {
        plain.push_str(before);
        rest = variable.split_once('}').map_or("", |(_, behind)| behind);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, secrets: &[&str]) {
        let found: Vec<&str> = found(line).into_iter().map(|found| &line[found.bytes]).collect();
        assert_eq!(found, secrets, "{line}");
        let shown = masked("", line);
        assert_eq!(shown.chars().count(), line.chars().count(), "{shown}");
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }

    #[test]
    fn secrets_are_told_by_place_and_shape() {
        check("- {to: webhook, url: 'https://u:pw@h.example.org/x?token=t1&a=b'}", &["pw", "t1"]);
        check("- {to: email, url: smtps://night%40example.org:${MAIL_PASSWORD}@mail.example.org}", &[]);
        check("- {to: email, url: smtps://me:${A}hunter2@mail.example.org}", &["${A}hunter2"]);
        check("- {to: webhook, url: ${HOOK}}", &[]);
        check("- {to: webhook, url: https://hooks.slack.com/services/T0/B0/x}", &["services/T0/B0/x"]);
        check("- {to: webhook, url: 'https://hooks.slack.com/services/${SLACK_PATH}', on: [failure]}", &[]);
        check("url: https://discord.com/api/webhooks/${ID}/${TOKEN}", &[]);
        check("url: https://discord.com/api/webhooks/1/abc", &["api/webhooks/1/abc"]);
        check("description: see https://discord.com/channels/1/2", &[]);
        check("lineage: {url: 'https://c.example.org/v1', api_key_variable: CATALOGUE_KEY}", &[]);
        check("lake: s3://bucket/lake", &[]);
        check("columns: {api_token: \"substr(token, 1, 3)\"}", &[]);
        check("path: https://u:pw@h.example.org/x.csv?sv=1&sig=abc", &["pw", "abc"]);
        check("path: az://c/p?X-Amz-Signature=abc&api_key=k1&access-key=k2", &["abc", "k1", "k2"]);
        check("path: az://c/p?sv=2020&sig=${SIG}", &[]);
        check("-- https://jira.example.org/issues/?assignee=ada&design=x&keyword=y&pageKey=z&author=b", &[]);
        check("WHERE page_url LIKE 'https://shop.example.org/?access_token=%'", &[]);
        check("# AKIAIOSFODNN7EXAMPLE", &["AKIAIOSFODNN7EXAMPLE"]);
        check("'ASIA_PACIFIC_EMERGING', 'ASIA-PACIFIC-SOUTHEAST', 'ASIAPACIFICSOUTHEAST1'", &[]);
        check("api: 'Bearer abcdefghijklmnopqrstuvwxyz'", &["Bearer abcdefghijklmnopqrstuvwxyz"]);
        check("-----BEGIN RSA PRIVATE KEY-----", &["-----BEGIN RSA PRIVATE KEY-----"]);
        check("at: 2026-11-30T08:00:00Z", &[]);
    }

    #[test]
    fn what_may_be_a_secret_among_the_settings_is_not_shown() {
        for (line, hidden) in [
            ("- {to: webhook, url: 'https://h.example.org/hidden/t0', onn: [failure]}", "hidden/t0"),
            ("- {url: http://h/a}", "a"),
            ("storage: {\"aws_secret_access_key\":\"abc\"}", "\"abc"),
            ("  AWS_SECRET_ACCESS_KEY: abc # mine", "abc"),
            ("  azure_storage_sas_key: 'a,b #c'", "'a,b #c"),
        ] {
            let at = line.rfind(hidden).unwrap();
            let (before, behind) = (&line[..at], &line[at + hidden.len()..]);
            assert_eq!(masked("tranche.yaml", line), format!("{before}{}{behind}", "*".repeat(hidden.len())));
        }
        for key in [
            "aws_secret_access_key",
            "AWS_SESSION_TOKEN",
            "azure_storage_master_key",
            "google_service_account_key",
        ] {
            assert!(is_credential(key), "{key}");
        }
        for key in
            ["aws_region", "google_application_credentials", "aws_web_identity_token_file", "aws_endpoint"]
        {
            assert!(!is_credential(key), "{key}");
        }
    }
}
