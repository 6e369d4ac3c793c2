"""Checks the portal's SCIM interface with a checker that others wrote (scim2-tester).

Arguments: the address of the interface and the token. What the checker makes up by itself does not know one rule, which no
schema can say: a userName is an e-mail address. It is told that here; all else is its own.
"""

import sys
import uuid

import httpx2
import scim2_tester.checkers.patch_add
import scim2_tester.checkers.patch_replace
import scim2_tester.filling
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

made_up = scim2_tester.filling.generate_random_value


def generate_random_value(context, path, mutability=None, required=None):
    value = made_up(context, path, mutability, required)
    if value is not None and str(path).lower().split(":")[-1] == "username":
        return f"{uuid.uuid4()}@scim.example.com"
    return value


for module in (scim2_tester.filling, scim2_tester.checkers.patch_add, scim2_tester.checkers.patch_replace):
    module.generate_random_value = generate_random_value

url, token = sys.argv[1:]
http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
results = check_server(SyncSCIMClient(http))
for result in results:
    print(result.status.name, result.title, result.reason or "")
counts = {status: sum(result.status == status for result in results) for status in Status}
print(counts)
wrong = [result for result in results if result.status not in (Status.SUCCESS, Status.SKIPPED)]
if wrong or counts[Status.SUCCESS] < 25:
    raise SystemExit("\n".join(str((result.title, result.reason, result.data)) for result in wrong) or "hardly anything was checked")
