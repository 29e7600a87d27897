"""The namespace on its way to disk: runs that follow one another at once share a save, the last one's is never left out."""
RUNS = 30


def runbook(airlock, first, last):
    path = airlock.home / ("from%d.md" % first)
    steps = "".join("## %d\n```python\nn = %d\nseen = globals().get('seen', []) + [n]\n```\n" % (i, i) for i in range(first, last + 1))
    path.write_text("# Many\n\nCount.\n\n" + steps)
    return path


def saved(airlock):
    events = airlock.json("show", "--json", "last")[1]
    return [e["run"] for e in events if e["type"] == "checkpoint.made" and e["kind"] == "saved"]


def test_the_last_of_many_runs_is_saved_and_not_each(airlock):
    done = airlock.run("run", "-p", "runbook:%s" % runbook(airlock, 1, RUNS), "--lease", "runs=%d" % RUNS)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = saved(airlock)
    assert runs[0] == 1 and runs[-1] == RUNS
    assert len(runs) < RUNS / 2
    assert runs == sorted(set(runs))


def test_leaving_does_not_wait_for_the_rest(airlock):
    s = airlock.screen("-p", "runbook:%s" % runbook(airlock, 1, 4), "--lease", "runs=4", rows=36, cols=120)
    s.wait("finished: done")
    s.send(":quit\r")
    s.ended()
    assert saved(airlock)[-1] == 4
