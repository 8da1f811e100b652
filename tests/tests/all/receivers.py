"""Independent receivers: a mail server (aiosmtpd), a collector's messages (opentelemetry-proto) and OpenLineage's schemas.

Says on a line of JSON where it listens; when its input ends, says on another what it received, and ends. Answers of the webhook to
refuse first are counted by its only argument.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import referencing
import ssl
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REFUSALS = [int(sys.argv[1]) if len(sys.argv) > 1 else 0]
received = {"webhook": [], "mails": [], "spans": [], "lineage": [], "lineage_problems": [], "attempts": 0}
lock = threading.Lock()


def span(found, resource):
    attributes = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in found.attributes}
    return {
        "name": found.name,
        "trace": found.trace_id.hex(),
        "id": found.span_id.hex(),
        "parent": found.parent_span_id.hex(),
        "attributes": attributes,
        "status": found.status.code,
        "seconds": (found.end_time_unix_nano - found.start_time_unix_nano) / 1e9,
        "service": resource.get("service.name"),
    }


def schemas():
    """The published schemas, where TRANCHE_TEST_OPENLINEAGE names their folder."""
    folder = os.environ.get("TRANCHE_TEST_OPENLINEAGE")
    if not folder:
        return None
    files = [json.loads(path.read_text()) for path in pathlib.Path(folder).rglob("*.json")]
    files = {schema["$id"]: schema for schema in files if "$id" in schema}
    resources = [(name, referencing.Resource.from_contents(schema)) for name, schema in files.items()]
    return files, referencing.Registry().with_resources(resources)


SCHEMAS = schemas()


def problems(event):
    if SCHEMAS is None:
        return []
    files, registry = SCHEMAS

    def against(document, url, what):
        if url.split("#")[0] not in files:
            return [f"{what}: there is no schema {url}"]
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        validator = jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=checker)
        return [f"{what}: {error.message}" for error in validator.iter_errors(document)]

    found = against(event, event["schemaURL"], "event")
    with_facets = [("run", event["run"]), ("job", event["job"])]
    with_facets += [("dataset", dataset) for dataset in event["inputs"] + event["outputs"]]
    for what, document in with_facets:
        for name, facet in document["facets"].items():
            found += against({name: facet}, facet["_schemaURL"].split("#")[0], f"{what} {name}")
            found += against(facet, facet["_schemaURL"], f"{what} {name}")
    return found


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status = 200
        with lock:
            if self.path == "/hook":
                received["attempts"] += 1
                if REFUSALS[0] > 0:
                    REFUSALS[0] -= 1
                    status = 503
                else:
                    key = self.headers["idempotency-key"]
                    received["webhook"].append({"key": key, "body": json.loads(body)})
            elif self.path == "/v1/traces":
                request = ExportTraceServiceRequest.FromString(body)
                for of_resource in request.resource_spans:
                    resource = {a.key: a.value.string_value for a in of_resource.resource.attributes}
                    for scope in of_resource.scope_spans:
                        received["spans"] += [span(found, resource) for found in scope.spans]
            elif self.path == "/lineage":
                event = json.loads(body)
                event["key"] = self.headers["authorization"]
                received["lineage"].append(event)
                received["lineage_problems"] += problems(json.loads(body))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Mailbox:
    async def handle_DATA(self, _server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        with lock:
            received["mails"].append(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "subject": mail["subject"],
                    "id": mail["message-id"],
                    "text": mail.get_content(),
                    "encrypted": session.ssl is not None,
                    "user": session.auth_data.decode() if session.auth_data else None,
                }
            )
        return "250 taken"


def authenticate(_server, _session, _envelope, _mechanism, data):
    good = isinstance(data, LoginPassword) and data.password == "pass word/%".encode()
    return AuthResult(success=good, auth_data=data.login if good else None)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def main():
    web = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    folder = pathlib.Path(tempfile.mkdtemp())
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
    command += ["-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    mail = Controller(
        Mailbox(),
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=True,
        require_starttls=True,
    )
    mail.start()
    places = {"web": web.server_address[1], "mail": mail.port, "certificate": str(certificate), "validates": SCHEMAS is not None}
    print(json.dumps(places), flush=True)
    sys.stdin.read()
    mail.stop()
    with lock:
        print(json.dumps(received), flush=True)


main()
