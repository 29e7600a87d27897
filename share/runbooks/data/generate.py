"""Makes orders.csv and service.log, the data of two runbooks. Everything in them is made up.

    /usr/bin/python3 -I generate.py DIRECTORY

The same bytes each time: the numbers that the runbooks expect depend on them.
"""
import os
import random
import sys

FIRST = "Ada Ben Carla Dimitri Elif Finn Grete Hugo Ines Jan Käthe Lea Mats Nadia Ole Pia".split()
LAST = "Müller Schmidt Weiß Öztürk Nguyen Jørgensen García Lefèvre Novák Kowalska Brandt".split()
CITIES = "München Köln Zürich Århus Kraków Lyon Gent Porto Malmö Wien".split()


def amount(rng, cents, source):
    whole, rest = divmod(cents, 100)
    if source == "us":
        return rng.choice([f"{whole:,}.{rest:02}", f"${whole:,}.{rest:02}"])
    if source == "shop":
        text = f"{whole:,}".replace(",", ".") + f",{rest:02}"
        return rng.choice([text, "€ " + text, text + " €"])
    return f"{cents / 100:.2f}"


def date(day, month, source):
    if source == "us":
        return f"{month:02}/{day:02}/2026"
    if source == "shop":
        return f"{day}.{month}.2026"
    return f"2026-{month:02}-{day:02}"


def orders():
    rng = random.Random(1101)
    rows = []
    for i in range(420):
        source = rng.choices(["web", "shop", "us"], [5, 3, 2])[0]
        cents = int(rng.lognormvariate(8.6, 1.0)) + 99
        row = [f"A-{10007 + 13 * i}", source, date(rng.randint(1, 28), rng.randint(1, 9), source),
               f"{rng.choice(FIRST)} {rng.choice(LAST)}", rng.choice(CITIES),
               amount(rng, cents, source)]
        if rng.random() < 0.02:
            row[5] = rng.choice(["", "n/a", "-", "?"])
        if rng.random() < 0.02:
            row[3] = rng.choice(["", "  ", "unknown"])
        if rng.random() < 0.01:
            row[2] = rng.choice(["", "31.6.2026", "02/30/2026", "2026-13-01"])
        rows.append(row)
    rows[57][3] = 'Brandt; Söhne "Nord"'
    again = []
    for row in rng.sample(rows, 34):
        copy = list(row)
        kind = rng.randrange(3)
        if kind == 1:
            copy[0] = " " + copy[0].lower()
            copy[3] = copy[3].upper()
        elif kind == 2 and copy[5] not in ("", "n/a", "-", "?"):
            copy[5] = amount(rng, rng.randint(500, 90000), copy[1])  # corrected later
        again.append(copy)
    for copy in again:
        rows.insert(rng.randrange(len(rows) // 2, len(rows)), copy)
    out = [b"\xef\xbb\xbforder;source;date;customer;city;amount\r\n"]
    for row in rows:
        cells = ['"' + c.replace('"', '""') + '"' if ";" in c or '"' in c else c for c in row]
        line = ";".join(cells)
        end = rng.choice(["\n", "\r\n", "\r\n"])
        encoding = "cp1252" if row[1] == "shop" and rng.random() < 0.5 else "utf-8"
        out.append((line + end).encode(encoding, "replace"))
    return b"".join(out)


class Log:
    def __init__(self):
        self.lines = []

    def add(self, at, level, host, text):
        hour, minute = 13 + int(at) // 3600, int(at) // 60 % 60
        stamp = f"2026-11-18T{hour:02}:{minute:02}:{int(at) % 60:02}.{int(at * 1000) % 1000:03}Z"
        self.lines.append((at, f"{stamp} {level:<5} {host:<9} {text}\n"))


def request(log, rng, at, reload_at, rollback_at):
    name = f"req={rng.randrange(16**6):06x}"
    host = rng.choice(["orders-1", "orders-2"])
    path = rng.choice(["/orders", "/orders/%d" % rng.randint(1000, 9999), "/orders/new"])
    starved = host == "orders-2" and reload_at < at < rollback_at
    query = max(4, int(rng.gauss(24, 6)))
    wait = int(rng.expovariate(1 / 420)) + 180 if starved else int(rng.expovariate(1 / 2))
    if starved and rng.random() < 0.43:
        log.add(at + 2.0, "ERROR", host, f"{name} db: no connection within 2000 ms "
                f"(pool 2/2 in use, {rng.randint(5, 23)} waiting)")
        log.add(at + 2.0 + 0.004, "WARN", "gateway-1", f"{name} GET {path} 503 2004 ms")
        return
    wait = min(wait, 1990)
    took = wait + query + rng.randint(6, 19)
    log.add(at + took / 1000, "INFO", host, f"{name} db: waited {wait} ms, query {query} ms")
    log.add(at + took / 1000 + 0.003, "INFO", "gateway-1", f"{name} GET {path} 200 {took} ms")


def service_log():
    rng = random.Random(47)
    log = Log()
    reload_at, rollback_at = 47 * 60 + 12.345, 81 * 60 + 40.2
    at = 0.0
    while at < 95 * 60:
        at += rng.expovariate(1 / 4.2)
        request(log, rng, at, reload_at, rollback_at)
    for minute in range(30, 46):  # a heavy report, over before anything fails
        log.add(minute * 60 + rng.random() * 60, "WARN", "db-1",
                f"slow query {rng.randint(900, 2400)} ms: report_monthly part {minute - 29}/16")
    log.add(46 * 60 + 2.1, "INFO", "db-1", "report_monthly finished")
    for _ in range(40):  # a burst of evictions, just before
        log.add(43 * 60 + rng.random() * 150, "WARN", "cache-1",
                f"evicted {rng.randint(100, 900)} keys (memory {rng.randint(91, 98)} %)")
    for _ in range(22):  # errors there are always some of
        log.add(rng.random() * 95 * 60, "ERROR", "auth-1", "token expired for client "
                f"{rng.choice(['mobile', 'partner', 'kiosk'])}-{rng.randint(1, 60)}")
    for minute in range(0, 95, 15):
        log.add(minute * 60 + 7, "WARN", "gateway-1", "certificate expires in 19 days")
    log.add(20 * 60 + 3.4, "INFO", "orders-1", "config: reload by ci: log.level info -> info")
    log.add(47 * 60 + 10.9, "INFO", "orders-2", "deploy: 2.4.1 -> 2.4.2 by ci (rolling, 1 of 2)")
    log.add(reload_at, "INFO", "orders-2",
            "config: reload by ci: db.timeout_ms 2000 -> 2000, db.pool_size 20 -> 2")
    log.add(58 * 60 + 4.0, "WARN", "ci", "deploy of orders 2.4.2 paused: error rate")
    log.add(rollback_at - 1.4, "INFO", "orders-2", "deploy: 2.4.2 -> 2.4.1 by mara")
    log.add(rollback_at, "INFO", "orders-2", "config: reload by mara: db.pool_size 2 -> 20")
    log.lines.sort(key=lambda line: line[0])
    lines = [text for _, text in log.lines]
    trace = ["Traceback (most recent call last):\n", '  File "orders/db.py", line 88, in lease\n',
             "    raise PoolTimeout(self.size, waiting)\n", "orders.db.PoolTimeout: 2, 17\n"]
    first = next(i for i, line in enumerate(lines) if "no connection" in line)
    lines[first + 1:first + 1] = trace
    return "".join(lines).encode()


def main():
    directory = sys.argv[1]
    for name, make in (("orders.csv", orders), ("service.log", service_log)):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(make())


main()
