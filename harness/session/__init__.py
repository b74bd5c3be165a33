"""What both front doors need: a matrix read from a name or path, and a bench set up to run its cells.

job = load("smoke")
async with session(job) as (runner, run):
    await runner.run(job.cells, print)

In: names, paths and options that a door was given.
Out: jobs, a runner with the run that it fills, kept runs, and lists of what there is.
Enter: `cli/`, `plugin/` and benchmarks; all that doors know of adapters is told here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import lazily

if TYPE_CHECKING:
    from harness.launchers.base import Fetching
    from harness.matrix.reading import select
    from harness.matrix.workload_names import name_of
    from harness.measure.runner import Runner
    from harness.model import REQUESTS
    from harness.recordings.cutting import Door
    from harness.resources import JOBS, RUNS, is_on
    from harness.session.addresses import trusted, url_of
    from harness.session.cached import chosen, emptied, in_cache, reaped
    from harness.session.checking import (
        Chosen,
        baseline_path,
        checked,
        differed,
        measured,
        read_baseline,
        refuse_older,
        update,
    )
    from harness.session.deployment import Site, site
    from harness.session.diagnosing import controls_of, diagnose, diagnosis, diagnosis_of, search_of, to_try
    from harness.session.estimate import estimated
    from harness.session.jobs import (
        REPORTS,
        Job,
        diffs,
        fetched,
        in_front_of,
        load,
        may_ask_in_http10,
        of_options,
        one_cell,
        reports,
        shard,
    )
    from harness.session.joined import JoinedSession, Part
    from harness.session.kept import arrivals, emitted, held, judged, rejudged, stored
    from harness.session.listing import health, rows, schema
    from harness.session.lists import What
    from harness.session.merging import merged
    from harness.session.named import by_id, newest_with, result_of
    from harness.session.probing import TAKE_S, TOTAL_S, Endpoint, probe, speaks_http2, whose
    from harness.session.recording import Application, application, record
    from harness.session.running import session
    from harness.session.serving import Served, served
    from harness.session.setup import check_names, require, set_up
    from harness.session.shipped import catalogue, described, known, shipped_matrices, variants
    from harness.session.spots import place_in_job, spots_of
    from harness.session.standing import AS_FOUND
    from harness.session.watching import Decided, decided, folders, part_of, saved_since, saves, touched
    from harness.store.shared import finish, runs_of
else:
    __all__, __getattr__ = lazily(__name__)
