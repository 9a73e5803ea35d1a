"""A mail server on a loopback port, by aiosmtpd. On stdout the port, then one JSON line for each mail that it took.

smtp.py starttls|implicit|none CERTIFICATE KEY [REFUSALS]: the first REFUSALS mails get 451. Only `backups` with the password in
$MAIL_PASSWORD may send, where that is set.
"""
import asyncio, email, json, os, ssl, sys

from aiosmtpd.smtp import SMTP, AuthResult

mode, certificate, key = sys.argv[1:4]
refusals = int(sys.argv[4]) if len(sys.argv) > 4 else 0
password = os.environ.get("MAIL_PASSWORD")


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        global refusals
        if refusals > 0:
            refusals -= 1
            return "451 4.3.0 try again later"
        message = email.message_from_bytes(envelope.content)
        say({
            "mail_from": envelope.mail_from, "rcpt_tos": envelope.rcpt_tos, "tls": session.ssl is not None or mode == "implicit",
            "user": session.auth_data.decode() if session.auth_data else None,
            "headers": {name: message[name] for name in ["From", "To", "Subject", "Auto-Submitted"]},
            "body": message.get_payload(decode=True).decode(),
        })
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    if data.login == b"backups" and data.password.decode() == password:
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


async def main():
    context = None
    if mode != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

    def protocol():
        return SMTP(
            Handler(), hostname="mail.test", authenticator=authenticate, auth_required=password is not None,
            auth_require_tls=mode == "starttls", tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls", loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if mode == "implicit" else None)
    say(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


asyncio.run(main())
