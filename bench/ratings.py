"""What ratings cost, measured on the real server: see bench/ratings, which starts this."""

import argparse
import datetime
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time

import duckdb

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/aftercall"
HTTP = ROOT / "target/release/aftercall-bench"
BARE = ROOT / "target/release/examples/bare"
README = ROOT / "bench/README.md"
BEGIN, END = "<!-- ratings: begin -->\n", "<!-- ratings: end -->"

AGENTS, QUEUES = 5_000, 200
FIRST_DAY, DAYS = datetime.date(2024, 11, 1), 730
NOW_MONTH = ("2026-09-01", "2026-09-30")


def say(text):
    print(text, flush=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Server:
    """aftercall on a database, with everything else of its own."""

    def __init__(self, folder, url, core=None):
        self.folder, self.http = folder, f"127.0.0.1:{free_port()}"
        settings = f'data_dir = "{folder}/data"\n[http]\nlisten = "{self.http}"\n[sip]\nlisten = []\n'
        (folder / "aftercall.toml").write_text(settings + f'[database]\nurl = "{url}"\n')
        pin = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") and os.cpu_count() > 1 else []
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            [*pin, PROGRAM, "serve", "--config", folder / "aftercall.toml"], stdout=self.log, stderr=self.log)
        for _ in range(600):
            try:
                socket.create_connection(self.http.rsplit(":", 1)).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit("the server did not start:\n" + (folder / "log").read_text())

    def ask(self, *arguments):
        """Many requests, measured."""
        out = self.folder / "http.json"
        pin = ["taskset", "-c", "1"] if shutil.which("taskset") and os.cpu_count() > 1 else []
        command = [*pin, HTTP, "http", "--target", self.http, "--pid", self.process.pid, "--json", out, *arguments]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()

    def command(self, *words):
        return subprocess.run([PROGRAM, *words, "--config", self.folder / "aftercall.toml"], capture_output=True, text=True)


class Postgres:
    """A private PostgreSQL, as the tests have one, on the disk of the repository."""

    def __init__(self, folder):
        place = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not place:
            raise SystemExit("PostgreSQL is not installed. On Debian: apt-get install postgresql")
        self.port, who = free_port(), {}
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
            who = {"user": 65534, "group": 65534, "extra_groups": []}
        self.shell = subprocess.Popen(
            ["sh", ROOT / "crates/store/tests/it/cluster.sh", place[-1].parent, str(self.port)], cwd="/",
            env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **who)
        if not self.shell.stdout.readline():
            raise SystemExit("PostgreSQL does not start: its own words are above")
        self.made = 0

    def fresh(self):
        self.made += 1
        psql = ["psql", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "aftercall", "postgres"]
        subprocess.run([*psql, "-c", f"CREATE DATABASE b{self.made}"], env={**os.environ, "PGPASSWORD": "secret"}, check=True)
        return f"postgres://aftercall:secret@127.0.0.1:{self.port}/b{self.made}"

    def stop(self):
        self.shell.stdin.close()
        self.shell.wait()


def table(heads, rows):
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def durable(folder, quick):
    """Ratings a second through HTTP, beside the same rows written by the database alone."""
    seconds, rows = ("2" if quick else "8"), []
    postgres = Postgres(pathlib.Path(tempfile.mkdtemp(dir=folder)))
    for name in ["SQLite", "PostgreSQL"]:
        made = 0

        def fresh():
            nonlocal made
            made += 1
            return f"sqlite://{folder}/{made}.db" if name == "SQLite" else postgres.fresh()

        def bare():
            run = subprocess.run([BARE, fresh(), seconds], check=True, capture_output=True, text=True)
            return float(run.stdout)

        limits = [bare()]
        home = pathlib.Path(tempfile.mkdtemp(dir=folder))
        server = Server(home, fresh())
        one = server.ask("--clients", "1", "--seconds", seconds)
        many = server.ask("--clients", "64", "--seconds", seconds)
        limits.append(bare())
        half = server.ask("--clients", "64", "--rate", many["per_second"] / 2, "--seconds", seconds)
        server.stop()
        limits.append(bare())
        limit = statistics.median(limits)
        rows.append([name, f"{limit:,.0f} ({min(limits):,.0f}-{max(limits):,.0f})",
                     f"{one['per_second']:,.0f}", f"{many['per_second']:,.0f}", f"{100 * many['per_second'] / limit:.0f} %",
                     f"{many['took']['p50_ms']:.1f}, p99 {many['took']['p99_ms']:.1f}",
                     f"{half['took']['p50_ms']:.1f}, p99 {half['took']['p99_ms']:.1f}", f"{many['server_ms_each']:.3f}"])
        say(f"{name}: {rows[-1][1:]}")
    postgres.stop()
    return ("### Ratings made durable\n\n" + table(
        ["", "the database alone, a second", "1 client", "64 clients", "of that", "64 clients, ms", "at half that, ms",
         "server, ms of processor each"], rows))


# The same arithmetic in both: who, where, how, when.
HASH = "(n * 2654435761 % 4294967296)"
AGENT = f"({HASH} // 32 % {AGENTS})"
QUEUE = f"(({AGENT} * 7 + {HASH} // 8 % 2 * 13) % {QUEUES})"


def formulas(rows, sqlite):
    """Columns of the n-th rating: agent, queue, score, seconds since 1970."""
    plain = lambda text: text.replace("//", "/") if sqlite else text
    begin = int(datetime.datetime.combine(FIRST_DAY, datetime.time(), datetime.timezone.utc).timestamp())
    tenth = plain(f"({HASH} // 512 % 10)")
    score = f"CASE WHEN {tenth} < 3 THEN {tenth} + 1 WHEN {tenth} < 6 THEN 4 ELSE 5 END"
    return plain(AGENT), plain(QUEUE), score, plain(f"({begin} + n * {DAYS * 86_400} // {rows})")


def fill(file, rows):
    agent, queue, score, at = formulas(rows, True)
    sql = sqlite3.connect(file, isolation_level=None)
    for pragma in ["journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000"]:
        sql.execute(f"PRAGMA {pragma}")
    sql.execute(f"""WITH RECURSIVE all_of(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM all_of WHERE n + 1 < {rows})
        INSERT INTO cc_csat (tenant_id, id, call_id, agent_id, queue_id, score, comment, created_at, revision, flags)
        SELECT 'default', printf('0197f3a2-0000-7000-8000-%012x', n), printf('%016x@pbx.example.com', n),
            'agent-' || {agent}, 'queue-' || {queue}, {score}, 'Great service',
            strftime('%Y-%m-%dT%H:%M:%S', {at}, 'unixepoch') || '.000000Z', 1, '' FROM all_of""")
    sql.execute("PRAGMA journal_mode = WAL")
    sql.close()


def duck(rows):
    agent, queue, score, at = formulas(rows, False)
    database = duckdb.connect()
    database.execute(f"""CREATE TABLE csat AS SELECT 'agent-' || {agent} AS agent_id, 'queue-' || {queue} AS queue_id,
        ({score})::UTINYINT AS score, make_timestamp({at} * 1000000) AS created_at FROM range({rows}) AS all_of(n)""")
    return database


COUNTS = ", ".join(f"COUNT(*) FILTER (score = {score})" for score in range(1, 6))
TREND = f"SELECT created_at::DATE AS day, {COUNTS} FROM csat WHERE {{}} AND created_at >= DATE '{{}}' GROUP BY day"
LAST_DAY = FIRST_DAY + datetime.timedelta(days=DAYS - 1)


def questions():
    """What is asked, of us and of DuckDB."""
    back = lambda days: LAST_DAY - datetime.timedelta(days=days - 1)
    agent, queue = "agent_id = 'agent-77'", "queue_id = 'queue-7'"
    window = f"from=2024-11-01&to={LAST_DAY}"
    return [
        ("agent, with a trend of 90 days", f"/cc/csat/agent/agent-77?{window}&days=90",
         [f"SELECT {COUNTS} FROM csat WHERE {agent}", TREND.format(agent, back(90))]),
        ("queue, its agents ranked, 30 days", f"/cc/csat/queue/queue-7?{window}&days=30",
         [f"SELECT agent_id, {COUNTS} FROM csat WHERE {queue} GROUP BY agent_id", TREND.format(queue, back(30))]),
        ("a month of all queues", f"/cc/reports/csat?period=month&group_by=queue&from={NOW_MONTH[0]}&to={NOW_MONTH[1]}",
         [f"SELECT queue_id, {COUNTS} FROM csat WHERE created_at >= DATE '{NOW_MONTH[0]}' "
          f"AND created_at < DATE '{NOW_MONTH[1]}' + 1 GROUP BY queue_id"]),
        ("24 months of all queues", f"/cc/reports/csat?period=month&group_by=queue&{window}&limit=10000",
         [f"SELECT date_trunc('month', created_at), queue_id, {COUNTS} FROM csat GROUP BY ALL"]),
    ]


def of_duck(database, statements, times):
    """Processor time of an answer, in milliseconds, and how long it took."""
    took = []
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(times):
        start = time.perf_counter()
        for statement in statements:
            database.execute(statement).fetchall()
        took.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1e3 * used / times, 1e3 * statistics.median(took)


def reads(folder, quick):
    """Answers of few and of many ratings, beside DuckDB over the same ratings."""
    few, many = 100_000, (300_000 if quick else 10_000_000)
    told = {}
    for rows in [few, many]:
        home = pathlib.Path(tempfile.mkdtemp(dir=folder))
        file = home / "aftercall.db"
        Server(home, f"sqlite://{file}").stop()
        start = time.perf_counter()
        fill(file, rows)
        say(f"{rows:,} ratings filled in, {time.perf_counter() - start:.0f} s")
        server = Server(home, f"sqlite://{file}", core=0)
        start = time.perf_counter()
        done = server.command("results", "rebuild")
        say(f"counted, {time.perf_counter() - start:.0f} s: {done.stdout.strip()}{done.stderr.strip()}")
        told[rows] = [server.ask("--get", path, "--seconds", "1" if quick else "5") for _, path, _ in questions()]
        server.stop()
        shutil.rmtree(home)
    database = duck(many)
    lines = []
    for place, (name, _, statements) in enumerate(questions()):
        cpu, took = of_duck(database, statements, 3 if quick else 20)
        small, large = told[few][place], told[many][place]
        lines.append([name, f"{large['took']['p50_ms']:.2f}, p99 {large['took']['p99_ms']:.2f}",
                      f"{large['server_ms_each']:.2f}", f"{small['server_ms_each']:.2f}",
                      f"{large['server_ms_each'] / small['server_ms_each']:.2f}", f"{took:.1f}", f"{cpu:.1f}",
                      f"{cpu / large['server_ms_each']:.0f}"])
        say(str(lines[-1]))
    return (f"### {many:,} ratings read\n\nBy HTTP from SQLite; {AGENTS:,} agents, {QUEUES} queues, two years.\n\n" + table(
        ["", "ms", "ms of processor", f"the same of {few:,}", "ratio", "DuckDB, ms", "DuckDB, ms of processor", "times as much"],
        lines))


def catch_up(folder, quick):
    """A million ratings brought in while the server runs, until all of them are counted."""
    rows = 20_000 if quick else 1_000_000
    home = pathlib.Path(tempfile.mkdtemp(dir=folder))
    file = home / "aftercall.db"
    server = Server(home, f"sqlite://{file}")
    with open(home / "history.csv", "w") as out:
        out.write("call_id,score,agent_id,queue_id,created_at\n")
        begin = datetime.datetime.combine(FIRST_DAY, datetime.time(), datetime.timezone.utc)
        for n in range(rows):
            h = n * 2654435761 % 4294967296
            agent = h // 32 % AGENTS
            at = begin + datetime.timedelta(seconds=n * DAYS * 86_400 // rows)
            out.write(f"{h:08x}-{n},{1 + h // 512 % 5},agent-{agent},queue-{(agent * 7 + h // 8 % 2 * 13) % QUEUES},"
                      f"{at:%Y-%m-%dT%H:%M:%SZ}\n")
    start = time.perf_counter()
    config = ["--config", home / "aftercall.toml"]
    import_ = subprocess.Popen([PROGRAM, "import", "csv", home / "history.csv", *config], stderr=subprocess.PIPE, text=True)
    verified = 0

    def verify():
        nonlocal verified
        done = server.command("results", "verify")
        if done.returncode != 0:
            raise SystemExit("a read was not exact:\n" + done.stdout + done.stderr)
        verified += 1

    while import_.poll() is None:
        verify()
        time.sleep(2)
    told = import_.stderr.read().strip().splitlines()[-1]
    if import_.returncode != 0:
        raise SystemExit(told)
    imported = time.perf_counter() - start
    look = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    while look.execute("SELECT EXISTS (SELECT 1 FROM cc_csat_mark)").fetchone()[0]:
        verify()
        time.sleep(0.2)
    counted = time.perf_counter() - start
    verify()
    look.close()
    server.stop()
    shutil.rmtree(home)
    return ("### A million ratings brought in\n\n" + table(
        ["rows", "imported, rows a second", "imported and counted, rows a second", "behind the import, s",
         "reads compared with a recount meanwhile"],
        [[f"{rows:,}", f"{rows / imported:,.0f}", f"{rows / counted:,.0f}", f"{counted - imported:.1f}",
          f"{verified}, all exact"]]))


PARTS = {"durable": durable, "reads": reads, "catch-up": catch_up}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--only", choices=PARTS)
    asked = arguments.parse_args()
    if asked.write and (asked.quick or asked.only):
        arguments.error("--write takes all parts, measured at leisure")
    # On the disk that the repository is on: /tmp is often memory, and a rating is to be on disk.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ratings.", dir=ROOT / "target"))
    folder.chmod(0o755)
    try:
        parts = [part(folder, asked.quick) for name, part in PARTS.items() if asked.only in (None, name)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    version = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    text = f"Version `{version}`.\n\n" + "\n\n".join(parts) + "\n"
    say("\n" + text)
    if asked.write:
        whole = README.read_text()
        README.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}\n{END}", whole, flags=re.S))


if __name__ == "__main__":
    main()
