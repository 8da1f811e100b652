//! The sections of `tranche.yaml` about observability: `notifications:` and `lineage:`.

use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::{Problems, Sections};

use crate::notify::{Notification, NotificationSpec};

/// The sections of `tranche.yaml` about observability, as their author wrote them. Its other keys are read elsewhere.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct ObserveSpec {
    /// Who is notified when a run fails, recovers or is late, and when something is not fresh.
    #[serde(default)]
    pub notifications: Vec<NotificationSpec>,
    /// Where OpenLineage events of runs go (default nowhere).
    #[serde(default)]
    pub lineage: Option<LineageSpec>,
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

/// Who is notified, and where lineage goes.
#[derive(Debug, Clone, Default)]
pub struct ObserveSettings {
    /// Who is notified about which events.
    pub notifications: Vec<Notification>,
    /// Where OpenLineage events go.
    pub lineage: Option<LineageSpec>,
}

impl ObserveSettings {
    /// The keys of `tranche.yaml` that are read here.
    pub const SECTIONS: [&str; 2] = ["notifications", "lineage"];

    /// Reads the sections; what cannot be read is reported and left out.
    pub fn read(sections: &Sections, problems: &mut Problems) -> Self {
        let Some((file, spec)) = sections.read::<ObserveSpec>(problems) else { return Self::default() };
        let notifications = spec.notifications.into_iter();
        Self {
            notifications: notifications.filter_map(|spec| spec.validate(file, problems)).collect(),
            lineage: spec.lineage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Channel, Occasion};
    use tranche_project::{Diagnostic, Project};

    fn read(yaml: &str) -> (ObserveSettings, Vec<String>) {
        let project = Project::from_files([("tranche.yaml", format!("version: 1\n{yaml}"))]);
        let mut problems = Problems::default();
        let settings = project.settings(&mut problems);
        let settings = ObserveSettings::read(&settings.sections, &mut problems);
        let shown = |d: Diagnostic| format!("{}:{} {}", d.line, d.column, d.message);
        (settings, problems.into_sorted().into_iter().map(shown).collect())
    }

    #[test]
    fn recipients_are_read() {
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
}
