use tokio::signal::unix::{SignalKind, signal};

use crate::{clock::Clock, config::Config, mail::Transport, measures, portal::Portal, seal::Seal, secrets::Random, server};

/// Serves the portal until it is told to stop.
pub async fn run(config: Config) -> Result<(), String> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(problems.join("\norg-portal: "));
    }
    let transport = Transport::open(&config)?;
    if let Some(listen) = config.metrics_listen {
        metrics_exporter_prometheus::PrometheusBuilder::new()
            .with_http_listener(listen)
            .install()
            .map_err(|e| format!("metrics on {listen}: {e}"))?;
        measures::describe();
    }
    let db = super::open(&config).await?;
    db.migrate().await.map_err(|e| format!("the database could not be migrated: {e}"))?;
    Seal::prepare(&config, Random)?;
    let portal = Portal::new(db, config.clone(), Clock::system());
    let running = server::start(portal, transport).await?;
    println!("{} is at {}", config.portal_name, config.base());
    if config.keeps_mail() {
        println!("No mail server is configured: mails are kept at {}/dev/mail", config.base());
    }
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).map_err(|e| e.to_string())?, signal(SignalKind::interrupt()).map_err(|e| e.to_string())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await.map_err(|e| e.to_string())
}
