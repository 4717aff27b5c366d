//! Where the world outside is let in: arguments, environment, clock, standard streams.

use std::process::ExitCode;

use aftercall::cli::{self, Cli, World};
use aftercall::clock::Clock;
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut world = World {
        clock: Clock::system(),
        env: &|name| std::env::var(name).ok(),
        out: &mut std::io::stdout(),
        err: &mut std::io::stderr(),
    };
    ExitCode::from(u8::from(cli::run(cli, &mut world).await))
}
