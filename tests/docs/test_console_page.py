"""The console's page names what it needs, and no more."""

import json

from tests.docs.markdown import blocks, page
from tests.support.fake_aws import ACT, LOOK, FakeAws
from tocsin_cli.console.app import Backend
from tocsin_cli.console.context import Asked


def test_the_least_policy_allows_what_the_console_asks_and_nothing_else() -> None:
    """`sts:GetCallerIdentity` needs no permission (IAM user guide)."""
    (policy,) = (json.loads(block.text) for block in blocks(page("docs/console.md"), "json"))
    actions = [statement["Action"] for statement in policy["Statement"]]
    allowed = {action for each in actions for action in ([each] if isinstance(each, str) else each)}
    aws = FakeAws()
    search = "SEARCH('{Tocsin,service,channel} MetricName=\"Dead\" service=\"tocsin\"', 'Sum', 60)"
    metrics = [[{"expression": search}], ["Tocsin", "Depth"]]
    aws.body = {"widgets": [{"type": "metric", "properties": {"title": "Both", "metrics": metrics}}]}
    backend = Backend(aws.connection())
    told = [backend.state(), backend.graphs(3), backend.alarms()]
    told += [backend.invoke(Asked.of({"endpoint": endpoint})) for endpoint in (LOOK, ACT)]
    assert all("problem" not in each for each in told)
    assert aws.used == allowed
