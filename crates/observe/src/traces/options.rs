//! Where traces go, as OpenTelemetry's own variables of the environment say.

use tranche_project::is_near;

use crate::ObserveError;

/// Where traces go, and what is said of who sends them.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceOptions {
    /// The URL that spans are posted to.
    pub(super) endpoint: String,
    /// Headers of each request, such as one with a key.
    pub(super) headers: Vec<(String, String)>,
    /// What is said of the process: names and values.
    pub(super) resource: Vec<(String, String)>,
}

impl std::fmt::Debug for TraceOptions {
    /// Headers and endpoint may hold secrets, so they are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceOptions").field("resource", &self.resource).finish_non_exhaustive()
    }
}

impl TraceOptions {
    /// What the environment asks for, `None` when it names no endpoint: `OTEL_EXPORTER_OTLP_ENDPOINT` (to which `/v1/traces` is
    /// added) or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_SERVICE_NAME`,
    /// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`, as the OpenTelemetry specification has them.
    ///
    /// # Errors
    /// [`ObserveError::Place`] when it asks for a protocol that is not spoken here.
    pub fn from_environment(value_of: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ObserveError> {
        let set = |name: &str| value_of(name).filter(|value| !value.is_empty());
        let of_traces = |suffix: &str| {
            let traces = set(&format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"));
            traces.or_else(|| set(&format!("OTEL_EXPORTER_OTLP_{suffix}")))
        };
        let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
            set("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')))
        });
        let Some(endpoint) =
            endpoint.filter(|_| set("OTEL_SDK_DISABLED").is_none_or(|off| !off.eq_ignore_ascii_case("true")))
        else {
            return Ok(None);
        };
        if let Some(protocol) = of_traces("PROTOCOL").filter(|protocol| protocol != "http/protobuf") {
            let near = if is_near("http/protobuf", &protocol) { "did you mean" } else { "write" };
            let reason = format!("OTEL_EXPORTER_OTLP_PROTOCOL is `{protocol}`; {near} `http/protobuf`");
            return Err(ObserveError::place("the collector of traces", reason));
        }
        let mut resource = pairs(set("OTEL_RESOURCE_ATTRIBUTES").as_deref().unwrap_or_default());
        let named = set("OTEL_SERVICE_NAME");
        if named.is_some() || !resource.iter().any(|(name, _)| name == "service.name") {
            resource.retain(|(name, _)| name != "service.name");
            resource.push(("service.name".to_owned(), named.unwrap_or_else(|| "tranche".to_owned())));
        }
        let headers = pairs(of_traces("HEADERS").as_deref().unwrap_or_default());
        Ok(Some(Self { endpoint, headers, resource }))
    }
}

/// `name=value,name=value`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    text.split(',').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(environment: &[(&str, &str)]) -> Result<Option<TraceOptions>, ObserveError> {
        let value = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        TraceOptions::from_environment(value)
    }

    #[test]
    fn the_standard_variables_say_where_traces_go() {
        assert_eq!(options(&[]).unwrap(), None);
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        let found = options(&[base]).unwrap().unwrap();
        assert_eq!(found.endpoint, "http://c:4318/v1/traces");
        assert_eq!(found.resource, [("service.name".to_owned(), "tranche".to_owned())]);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x");
        let found = options(&[
            base,
            own,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b, c=d=e"),
            ("OTEL_SERVICE_NAME", "night"),
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!(found.endpoint, "http://t/x");
        assert_eq!(found.headers, [("a".into(), "b".into()), ("c".into(), "d=e".into())]);
        assert_eq!(found.resource, [("service.name".to_owned(), "night".to_owned())]);
        assert_eq!(options(&[base, ("OTEL_SDK_DISABLED", "true")]).unwrap(), None);
        assert!(options(&[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_err());
    }
}
