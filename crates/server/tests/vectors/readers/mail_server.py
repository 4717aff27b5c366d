"""A mail server for tests: STARTTLS and a password before anything else. Says its port on the first line, then each
mail it took as a line of JSON, as Python's email package reads it. The first REFUSED mails it does not take."""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

certificate, key, refused = sys.argv[1], sys.argv[2], int(sys.argv[3])


def read(part):
    content = part.get_content()
    return {"type": part.get_content_type(), "name": part.get_filename(),
            "text": content if isinstance(content, str) else content.decode()}


class Handler:
    left = refused

    async def handle_DATA(self, server, session, envelope):
        if Handler.left > 0:
            Handler.left -= 1
            return "451 4.7.1 boss@example.com is busy, try again"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [read(part) for part in mail.walk() if not part.is_multipart()]
        headers = {name.lower(): str(value) for name, value in mail.items()}
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "headers": headers, "parts": parts,
                          "defects": [str(defect) for defect in mail.defects],
                          "tls": session.ssl is not None, "user": session.auth_data.decode()}), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    fine = (data.login, data.password) == (b"reports", b"s3cret/word")
    return AuthResult(success=fine, handled=fine, auth_data=data.login)


def session():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return SMTP(Handler(), tls_context=context, require_starttls=True, auth_required=True,
                authenticator=authenticate, hostname="localhost")


async def main():
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Until whoever started it goes away.
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
