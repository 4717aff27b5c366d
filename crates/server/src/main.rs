//! Where the world outside is let in: arguments, environment, clock, standard streams.

use std::process::ExitCode;

use aftercall::cli::{self, Cli, World};
use aftercall::clock::Clock;
use clap::Parser as _;
use mimalloc::MiMalloc;

/// A call makes and drops some thousand small things in signalling: see docs/decisions/004-dependencies.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
