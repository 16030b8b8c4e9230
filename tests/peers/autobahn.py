"""The cases of the Autobahn test suite (`kosoku`, from PyPI) against a WebSocket server: a line for each verdict.

    autobahn.py HOST:PORT
"""

import asyncio
import sys

from kosoku import FailureError, run_fuzzingclient

# Limits and performance (9) and long runs of compressed messages (12, 13) take gigabytes and minutes; some of each are enough
# where only what passes in between is asked about.
LEFT_OUT = ["9.*", "12.*", "13.*"]
TAKEN = ["9.1.1", "9.1.2", "9.2.1", "9.2.2", "9.5.1", "9.7.1", "12.1.1", "12.1.5", "12.2.1"]


async def run():
    results = []
    for include, exclude in [(None, LEFT_OUT), (TAKEN, None)]:
        try:
            results += await run_fuzzingclient(sys.argv[1], include, exclude, concurrency=8)
        except FailureError as failure:
            results += failure.results
    return results


for one in sorted(asyncio.run(run()), key=lambda one: [int(part) for part in one.case_id.split(".")]):
    print(one.case_id, one.behavior.value, "/", one.behavior_close.value)
