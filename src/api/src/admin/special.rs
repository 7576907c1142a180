//! Endpoints for machines that ask without JSON: health checks, proxies, Prometheus.

use super::cluster_state::{current_health, local_figures, total_usage};
use super::zones::Outlook;
use super::{AdminError, Answer, Call, prometheus};
use crate::web::host;
use cluster::HealthStatus;
use http::StatusCode;

pub(super) async fn health(call: Call<'_>) -> Result<Answer, AdminError> {
    let health = current_health(call.api).await?;
    let (status, sentence) = match health.status {
        HealthStatus::Healthy => (StatusCode::OK, "Garage is fully operational"),
        HealthStatus::Degraded => (StatusCode::OK, "Garage is operational but needs attention"),
        HealthStatus::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Quorum is not available for some/all partitions, reads and writes will fail",
        ),
    };
    let more = "Consult the full health check API endpoint at /v2/GetClusterHealth for more details";
    Ok(Answer::text(status, format!("{sentence}\n{more}\n")))
}

/// Whether a domain leads to a bucket, as a web site or as S3 knows it: proxies ask before they get a certificate for it.
pub(super) async fn check_domain(call: Call<'_>) -> Result<Answer, AdminError> {
    let domain = call.required("domain")?;
    let host = domain.trim_end_matches('.').to_ascii_lowercase();
    let (names, config) = (call.api.model.names(), &call.api.config);
    let is_site = host::bucket(&names, config.web_root_domain.as_deref(), &host)?.is_some();
    let in_s3 = config.s3_root_domain.as_deref().and_then(|root| host::below(&host, root));
    if is_site || in_s3.map(|name| names.called(name)).transpose()?.flatten().is_some() {
        Ok(Answer::text(StatusCode::OK, format!("Domain '{domain}' is managed by Garage\n")))
    } else {
        Err(AdminError::NoSuchWebsite(domain.to_owned()))
    }
}

pub(super) async fn metrics(call: Call<'_>) -> Result<Answer, AdminError> {
    let api = call.api;
    let figures = local_figures(api).await?;
    let health = api.cluster.health(&figures.service);
    let usage = total_usage(api)?;
    let zones = Outlook::look(api, &api.cluster.layout()).await.zones;
    let body = prometheus::render(api, &figures, (&health, &zones), usage);
    Ok(Answer { status: StatusCode::OK, content_type: Some(prometheus::CONTENT_TYPE), body: body.into() })
}
