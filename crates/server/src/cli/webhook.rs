//! `aftercall webhook`: who is told, and whether it works.

use aftercall_core::TenantId;
use aftercall_store::WebhookName;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, World, open_servers};
use crate::config::{Config, Webhook};
use crate::post;
use crate::webhooks::Post;

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List the webhooks of the configuration, and what waits for each
    List,
    /// Send a webhook a signed `ping` and show what comes back
    #[command(after_help = TEST_HELP)]
    Test(Named),
}

const TEST_HELP: &str = "\
Exit codes:
  0  the other side took it
  1  it did not; stdout says what came back
  2  the command line or the configuration is wrong";

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its name in the configuration
    name: WebhookName,
    /// Whose it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantId,
}

pub(super) async fn run(
    command: WebhookCommand,
    config: &Config,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    match command {
        WebhookCommand::List => list(config, world).await,
        WebhookCommand::Test(named) => test(&named, config, world).await,
    }
}

async fn list(config: &Config, world: &mut World<'_>) -> anyhow::Result<Exit> {
    if config.webhooks.is_empty() {
        writeln!(world.err, "there are none: `[[webhook]]` in aftercall.toml makes one")?;
        return Ok(Exit::Well);
    }
    let store = open_servers(config).await?;
    for Webhook { subscription: to, url, .. } in &config.webhooks {
        let counts = store.delivered(&to.tenant, &to.webhook).await?;
        let kinds: Vec<&str> = to.kinds.iter().map(|kind| kind.word()).collect();
        let last = counts.last_delivered_at.map_or("never".to_owned(), |at| format!("{at:.0}"));
        writeln!(
            world.out,
            "{}  {}  {}  waiting {}  dead {}  delivered {last}  {}",
            to.webhook,
            to.tenant,
            post::host(url.expose()),
            counts.waiting,
            counts.dead,
            kinds.join(",")
        )?;
    }
    store.close().await;
    Ok(Exit::Well)
}

async fn test(named: &Named, config: &Config, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let is_it = |webhook: &&Webhook| {
        webhook.subscription.webhook == named.name && webhook.subscription.tenant == named.tenant
    };
    let Some(webhook) = config.webhooks.iter().find(is_it) else {
        writeln!(world.err, "{}: there is no webhook of this name: `aftercall webhook list`", named.name)?;
        return Ok(Exit::Faults);
    };
    let at = world.clock.now();
    let (post, shown) = (Post::to(webhook), at.to_string());
    let id = format!("ping-{}", at.as_millisecond());
    let body = json!({ "id": id, "type": "ping", "timestamp": shown, "data": {} }).to_string();
    let sent = tokio::task::spawn_blocking(move || post.send(&id, &body, at));
    let began = world.clock.elapsed();
    let answer = sent.await?;
    let took = world.clock.elapsed().saturating_sub(began).as_millis();
    match (answer.status, &answer.reason) {
        (Some(status), _) => writeln!(world.out, "answered {status} in {took} ms")?,
        (None, reason) => {
            writeln!(world.out, "no answer: {}", reason.as_deref().unwrap_or("the connection broke"))?;
        }
    }
    let said = answer.said.trim();
    if !said.is_empty() {
        writeln!(world.out, "{said}")?;
    }
    Ok(if answer.is_well() { Exit::Well } else { Exit::Failed })
}
