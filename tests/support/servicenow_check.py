"""Checks the tests' ServiceNow (servicenow.rs) with ServiceNow's own client: what it reads and writes, it must understand.

Arguments: the address, user, password, and the sys_id of Acme's account and of its primary contact.
"""

import sys

import pysnc.client
from pysnc import ServiceNowClient
from pysnc.exceptions import AuthenticationException

# It insists on https, which a socket on loopback need not have.
pysnc.client.get_instance = lambda instance: instance

url, user, password, account_id, contact_id = sys.argv[1:]
client = ServiceNowClient(url, (user, password))


def same(left, right):
    if left != right:
        raise SystemExit(f"{left!r} is not {right!r}")


# One record, its reference, and a field of the record that it refers to.
account = client.GlideRecord("customer_account")
account.fields = ["sys_id", "number", "name", "primary_contact", "primary_contact.email", "sys_updated_on", "no_such_field"]
same(account.get(account_id), True)
same(account.get_value("number"), "ACCT1")
same(account.get_value("primary_contact"), contact_id)
same(account.get_display_value("primary_contact"), "Ada Example")
same(account.get_value("primary_contact.email"), "ada@example.com")
same(len(account.get_value("sys_updated_on")), 19)
same(client.GlideRecord("customer_account").get("0" * 32), False)

# Conditions, their combination, order, and more than one page.
many = client.GlideRecord("customer_account", batch_size=100)
many.add_query("number", "STARTSWITH", "N")
many.order_by_desc("number")
many.query()
same(many.get_row_count(), 250)
numbers = [record.get_value("number") for record in many]
same(numbers, [f"N{n:03}" for n in reversed(range(250))])
some = client.GlideRecord("customer_account")
some.add_query("number", ">", "N247").add_or_condition("number", "N000")
some.add_query("name", "Name")
some.order_by("number")
some.limit = 2
some.query()
same([record.get_value("number") for record in some], ["N000", "N248"])
few = client.GlideRecord("customer_contact")
few.add_not_null_query("account")
few.add_query("account.number", "ACCT1")
few.add_query("email", "IN", "bob@example.com,gone@example.com,else@example.com")
few.query()
same(few.get_row_count(), 2)

# What is written comes back, and a comment becomes an entry of the journal.
case = client.GlideRecord("sn_customerservice_case")
case.initialize()
case.set_value("short_description", "It does not start")
case.set_value("account", account_id)
case.set_value("correlation_id", "0199")
sys_id = case.insert()
same(len(sys_id), 32)
same(case.get_value("number").startswith("CS"), True)
case.set_value("state", "10")
case.set_value("comments", "We look into it")
same(case.update(), sys_id)
journal = client.GlideRecord("sys_journal_field")
journal.add_query("element_id", sys_id)
journal.add_query("element", "comments")
journal.query()
same([record.get_value("value") for record in journal], ["We look into it"])
other = client.GlideRecord("sn_customerservice_case")
same(other.get("correlation_id", "0199"), True)
same(other.get_value("state"), "10")

# Who is nobody is told so.
try:
    stranger = ServiceNowClient(url, (user, "wrong")).GlideRecord("customer_account")
    stranger.query()
except AuthenticationException:
    pass
else:
    raise SystemExit("a wrong password is taken")
