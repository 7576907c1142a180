//! Endpoints for machines that ask without JSON: health checks, proxies, Prometheus.

use super::cluster_state::{current_health, local_figures, total_usage};
use super::{AdminError, Answer, Call, prometheus};
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

/// Whether a web site is served for a domain: proxies ask before they get a certificate for it.
pub(super) async fn check_domain(call: Call<'_>) -> Result<Answer, AdminError> {
    let domain = call.required("domain")?;
    let names = call.api.model.names();
    let root = call.api.config.web_root_domain.as_deref();
    let below_root = root.and_then(|root| domain.strip_suffix(root));
    let served = [Some(domain), below_root].into_iter().flatten().any(|name| {
        let bucket = names.aliases.get(name).and_then(|id| names.buckets.get(id));
        bucket.is_some_and(|bucket| bucket.website.value.is_some())
    });
    if served {
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
    let body = prometheus::render(api, &figures, &health, usage);
    Ok(Answer { status: StatusCode::OK, content_type: Some(prometheus::CONTENT_TYPE), body: body.into() })
}
