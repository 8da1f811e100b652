//! `notifications:` and `lineage:` of `tranche.yaml`: who is told of runs, about what, and where.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_yaml::Spanned;

use crate::{Problems, SourceFile};

/// One entry of `notifications:`, as its author wrote it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationSpec {
    /// How they are told.
    #[schemars(with = "ChannelSpec")]
    pub to: Spanned<ChannelSpec>,
    /// Webhook: where a message is posted, as Slack takes it. Email: the server, `smtps://user:${PASSWORD}@mail.example.org` or
    /// `smtp://mail.example.org:587`. `${NAME}` stands for a variable of the environment, where secrets belong.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// Email: the sender.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub from: Option<Spanned<String>>,
    /// Email: who receives it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub recipients: Vec<Spanned<String>>,
    /// What they are told of (default everything).
    #[serde(default)]
    pub on: Option<BTreeSet<Occasion>>,
    /// Only these pipelines (default all); what is no pipeline's is told all the same.
    #[serde(default)]
    pub pipelines: Option<BTreeSet<String>>,
}

/// `to:` of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelSpec {
    /// A POST of JSON that Slack understands.
    Webhook,
    /// A mail.
    Email,
}

/// What people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A run failed.
    Failure,
    /// A run is done, and the one before it failed.
    Recovery,
    /// A run is done, but only after its next slot had come or after it was taken up again.
    Late,
    /// A table or segment is older than its `freshness`.
    Freshness,
}

/// Who is told, of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// How.
    pub channel: Channel,
    /// Of what.
    pub on: BTreeSet<Occasion>,
    /// Only of these pipelines; `None` for all.
    pub pipelines: Option<BTreeSet<String>>,
}

/// How someone is told. A URL is as it was written, with the names of variables instead of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A POST of JSON that Slack understands.
    Webhook {
        /// Where to.
        url: String,
    },
    /// A mail.
    Email {
        /// The server: `smtp://` or `smtps://`.
        url: String,
        /// The sender.
        from: String,
        /// Who receives it; at least one.
        recipients: Vec<String>,
    },
}

/// `lineage:` of `tranche.yaml`: where OpenLineage events of runs go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineageSpec {
    /// The namespace of jobs (default `tranche`).
    #[serde(default)]
    pub namespace: Option<String>,
    /// A file that events are appended to, one a line; relative to the project.
    #[serde(default)]
    pub file: Option<String>,
    /// Where events are posted, such as `https://lineage.example.org/api/v1/lineage`; `${NAME}` stands for a variable of the
    /// environment.
    #[serde(default)]
    pub url: Option<String>,
    /// The variable of the environment that holds the API key, sent as a bearer token.
    #[serde(default)]
    pub api_key_variable: Option<String>,
}

impl NotificationSpec {
    /// The notification that the author means, or `None` when a problem was reported.
    pub(crate) fn validate(self, file: &SourceFile, problems: &mut Problems) -> Option<Notification> {
        let before = problems.len();
        let schemes: &[&str] = match self.to.value {
            ChannelSpec::Webhook => &["http://", "https://"],
            ChannelSpec::Email => &["smtp://", "smtps://"],
        };
        // All of it may be a secret.
        if !self.url.value.starts_with("${")
            && !schemes.iter().any(|scheme| self.url.value.starts_with(scheme))
        {
            let message = format!("`{}` must begin with {}", self.url.value, schemes.join(" or "));
            problems.report(file, self.url.referenced, message);
        }
        if let Err(message) = variables(&self.url.value, |_| Some(String::new())) {
            problems.report(file, self.url.referenced, message);
        }
        let channel = match self.to.value {
            ChannelSpec::Webhook => {
                if let Some(at) = self.from.as_ref().or(self.recipients.first()) {
                    problems.report(
                        file,
                        at.referenced,
                        "`from` and `recipients` are for `to: email`; remove them",
                    );
                }
                Channel::Webhook { url: self.url.value }
            }
            ChannelSpec::Email => {
                if self.from.is_none() {
                    problems.report(
                        file,
                        self.to.referenced,
                        "a mail needs a sender: `from: tranche@example.org`",
                    );
                }
                if self.recipients.is_empty() {
                    problems.report(
                        file,
                        self.to.referenced,
                        "a mail needs `recipients: [someone@example.org]`",
                    );
                }
                for address in
                    self.from.iter().chain(&self.recipients).filter(|address| !address.value.contains('@'))
                {
                    problems.report(
                        file,
                        address.referenced,
                        format!("`{}` is not a mail address", address.value),
                    );
                }
                let recipients = self.recipients.into_iter().map(|address| address.value).collect();
                Channel::Email {
                    url: self.url.value,
                    from: self.from.map(|from| from.value).unwrap_or_default(),
                    recipients,
                }
            }
        };
        let on = self.on.unwrap_or_else(|| Occasion::ALL.into());
        (problems.len() == before).then_some(Notification { channel, on, pipelines: self.pipelines })
    }
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Failure, Self::Recovery, Self::Late, Self::Freshness];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Late => "late",
            Self::Freshness => "freshness",
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text with each `${NAME}` replaced by what `value_of` knows for the name.
///
/// # Errors
/// A message that names the variable that is not set, or says how one is written.
pub fn variables(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("`${` begins the name of a variable, which ends with `}`".to_owned());
        };
        let value = value_of(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
        replaced.push_str(before);
        replaced.push_str(&value);
        rest = behind;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Project, Settings};

    fn read(yaml: &str) -> (Settings, Vec<String>) {
        let project = Project::from_files([("tranche.yaml", format!("version: 1\n{yaml}"))]);
        let mut problems = Problems::default();
        let settings = project.settings(&mut problems);
        let told = |d: crate::Diagnostic| format!("{}:{} {}", d.line, d.column, d.message);
        (settings, problems.into_sorted().into_iter().map(told).collect())
    }

    #[test]
    fn who_is_told_is_read() {
        let (settings, problems) = read(
            "notifications:\n  - {to: webhook, url: '${HOOK}', on: [failure, recovery]}\n  \
             - {to: email, url: 'smtps://u:${PW}@mail', from: a@b, recipients: [c@d]}\n",
        );
        assert_eq!(problems, [""; 0]);
        let [webhook, email] = settings.notifications.as_slice() else { panic!("{settings:?}") };
        assert_eq!(webhook.channel, Channel::Webhook { url: "${HOOK}".into() });
        assert_eq!(webhook.on, [Occasion::Failure, Occasion::Recovery].into());
        assert_eq!(email.on.len(), 4);
    }

    #[test]
    fn every_mistake_is_reported_where_it_is() {
        let (settings, problems) = read(
            "notifications:\n  - {to: webhook, url: 'ftp://x'}\n  - {to: email, url: 'smtp://x', recipients: [nobody]}\n  \
             - {to: webhook, url: 'http://x/${Y', from: a@b}\n",
        );
        assert_eq!(settings.notifications, []);
        let expected =
            ["3:24 `ftp://x`", "4:10 a mail needs a sender", "4:47 `nobody`", "5:24 `${`", "5:46 `from`"];
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn variables_are_replaced_and_missed() {
        let known = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(variables("${A}-${A}$", known), Ok("x-x$".into()));
        assert_eq!(variables("${B}", known), Err("the environment variable `B` is not set".into()));
    }
}
