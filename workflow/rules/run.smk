"""What a run needs before it starts and says when it ends. No rules here.

Imports stand in the hooks, since every job parses the workflow.
"""

import time

from lungsight.program import check_conda, say

STARTED = time.time()

try:
    check_conda(asked_for="conda" in {str(method) for method in workflow.deployment_settings.deployment_method})
except UserError as error:
    raise WorkflowError(str(error)) from None


onsuccess:
    from lungsight.run_summary import success_text

    say(success_text(Path(RESULTS), list(config["cohorts"]), since=STARTED))


onerror:
    from lungsight.run_summary import failure_text

    say(failure_text([Path(path) for path in log]))
