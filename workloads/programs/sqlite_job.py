"""Transactions and look-ups in a database in a file.  Runs in the box, with nothing but Python.

    sqlite_job.py prepare PATH            make the database anew
    sqlite_job.py run PATH COUNT          COUNT durable transactions, then 20 look-ups for each

Output of ``run``: a version line, then "key value unit" lines.  The tables, the rows and the order
in which they are used come from fixed seeds, so every box does the same.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import time

ROWS = 20_000
LOOKUPS = 20
MOST = 1_000_000
TABLES = """
CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, filler TEXT NOT NULL);
CREATE TABLE history (account INTEGER NOT NULL, amount INTEGER NOT NULL);
"""


def opened(path: str) -> sqlite3.Connection:
    """A connection that makes every commit durable before it returns."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -8192")
    return connection


def prepare(path: str) -> None:
    """Make the database."""
    chance = random.Random(1)  # noqa: S311 - a fixed order is the point
    connection = opened(path)
    connection.executescript(f"BEGIN; {TABLES}")
    rows = ((number, 0, f"{chance.getrandbits(256):064x}") for number in range(ROWS))
    connection.executemany("INSERT INTO account VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


def write(connection: sqlite3.Connection, chance: random.Random, count: int) -> list[int]:
    """``count`` transactions; how long each took, in nanoseconds."""
    taken = []
    for _ in range(count):
        account, amount = chance.randrange(ROWS), chance.randrange(1, 100)
        begun = time.perf_counter_ns()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "UPDATE account SET balance = balance + ? WHERE id = ?", (amount, account)
        )
        connection.execute("INSERT INTO history VALUES (?, ?)", (account, amount))
        connection.execute("COMMIT")
        taken.append(time.perf_counter_ns() - begun)
    return taken


def read(connection: sqlite3.Connection, chance: random.Random, count: int) -> int:
    """``count`` look-ups by key; how long they took together, in nanoseconds."""
    keys = [(chance.randrange(ROWS),) for _ in range(count)]
    begun = time.perf_counter_ns()
    for key in keys:
        connection.execute("SELECT balance, filler FROM account WHERE id = ?", key).fetchone()
    return time.perf_counter_ns() - begun


def check(connection: sqlite3.Connection) -> None:
    """Every amount that was noted has arrived, or the figures are worth nothing."""
    balances = connection.execute("SELECT sum(balance) FROM account").fetchone()[0]
    amounts = connection.execute("SELECT sum(amount) FROM history").fetchone()[0]
    if balances != amounts:
        sys.exit(f"sqlite_job: the books do not balance: {balances} against {amounts}")


def run(path: str, count: int) -> None:
    """Do the work and print what it took."""
    chance = random.Random(2)  # noqa: S311 - a fixed order is the point
    connection = opened(path)
    taken = sorted(write(connection, chance, count))
    reading_ns = read(connection, chance, LOOKUPS * count)
    check(connection)
    connection.close()
    print("tarebench-sqlite 1")
    print(f"transactions {count} 1")
    print(f"transactions_total {sum(taken)} ns")
    print(f"transaction_p50 {taken[count // 2]} ns")
    print(f"transaction_p99 {taken[min(count - 1, count * 99 // 100)]} ns")
    print(f"lookups {LOOKUPS * count} 1")
    print(f"lookups_total {reading_ns} ns")


def main(argv: list[str]) -> None:
    """See the module."""
    match argv:
        case ["prepare", path]:
            prepare(path)
        case ["run", path, count] if count.isascii() and count.isdigit() and int(count) <= MOST:
            run(path, max(1, int(count)))
        case _:
            sys.exit("usage: sqlite_job.py prepare PATH | run PATH COUNT")


if __name__ == "__main__":
    main(sys.argv[1:])
