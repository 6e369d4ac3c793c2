"""A mail server (aiosmtpd) with TLS and a password: MODE is `smtps` or `smtp+starttls`. Says its port, then each letter as JSON.
Ends with its input."""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

mode, certificate, key, name, password = sys.argv[1:]


class Handler:
    async def handle_DATA(self, server, session, envelope):
        letter = {
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode(),
            "tls": session.ssl is not None or mode == "smtps",
            "as": session.auth_data.login.decode() if session.auth_data else None,
        }
        print(json.dumps(letter), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login.decode() == name and data.password.decode() == password
    return AuthResult(success=right, handled=False, auth_data=data)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    starts = mode == "smtp+starttls"

    def session():
        return SMTP(
            Handler(),
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=starts,
            tls_context=context if starts else None,
            require_starttls=starts,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=None if starts else context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
