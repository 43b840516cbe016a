"""What a run says when it ends. No rules here; imports stand in the hooks, since every job parses the workflow."""

import time

STARTED = time.time()


onsuccess:
    from lungsight.program import say
    from lungsight.run_summary import success_text

    say(success_text(Path(RESULTS), list(config["cohorts"]), since=STARTED))


onerror:
    from lungsight.program import say
    from lungsight.run_summary import failure_text

    say(failure_text([Path(path) for path in log]))
