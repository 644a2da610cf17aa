"""A shop in Python with the same contract as the built-in workload: MongoDB first, then Kafka. Broken on purpose.

The purchase is committed, then its event is sent. If the send fails, a line goes to the log and the client is told
that all is well: the stock was taken, and nobody will ever hear of it.
"""

import json
import os
import signal
import threading
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from confluent_kafka import KafkaException, Producer
from pymongo import MongoClient, ReturnDocument
from pymongo.errors import PyMongoError

TOPIC = os.environ["PURCHASES_TOPIC"]
SEND_TIMEOUT = 2.0

BOUNDS = {"maxPoolSize": 20, "minPoolSize": 5, "connectTimeoutMS": 500, "serverSelectionTimeoutMS": 1000,
          "heartbeatFrequencyMS": 500, "timeoutMS": 2000}

CONCERNS = {"w": "majority", "readConcernLevel": "majority"}
products = MongoClient(os.environ["MONGODB_URI"], **CONCERNS, **BOUNDS).get_default_database().products


class Publisher:
    """An idempotent producer that knows when it can send at once."""

    def __init__(self):
        self.has_id = threading.Event()
        self.stopped = threading.Event()
        self.producer = Producer({
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "client.id": os.environ["SERVICE_INSTANCE"],
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": int(SEND_TIMEOUT * 1000),
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "statistics.interval.ms": 250,
            "stats_cb": self.look_for_id,
        })
        self.callbacks = threading.Thread(target=self.serve_callbacks)
        self.callbacks.start()

    def serve_callbacks(self):
        while not self.stopped.is_set():
            self.producer.poll(0.1)

    def look_for_id(self, statistics):
        if json.loads(statistics).get("eos", {}).get("idemp_state") == "Assigned":
            self.has_id.set()

    def send(self, key, payload, headers):
        """Waits for the acknowledgement; returns why there is none."""
        done, failure = threading.Event(), []

        def delivered(error, _record):
            if error is not None:
                failure.append(str(error))
            done.set()

        self.producer.produce(TOPIC, key=key, value=payload, headers=headers, on_delivery=delivered)
        if not done.wait(SEND_TIMEOUT):
            return f"no acknowledgement within {SEND_TIMEOUT} s"
        return next(iter(failure), None)

    def close(self):
        self.stopped.set()
        self.callbacks.join()
        self.producer.flush(2 * SEND_TIMEOUT)


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    publisher = None

    def do_GET(self):
        if self.path == "/health/ready":
            products.database.command("ping")
            ready = self.publisher.has_id.is_set()
            return self.answer(200 if ready else 503, {"ready": ready})
        _, _products, product = self.path.split("/")
        try:
            found = products.find_one({"_id": product}, {"_id": 0, "stock": 1, "version": 1})
        except PyMongoError as error:
            return self.answer(503, {"error": str(error)})
        return self.answer(404, {"error": "no such product"}) if found is None else self.answer(200, found)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, _products, product, _purchases = self.path.split("/")
        self.purchase(product, body["quantity"], self.headers["Idempotency-Key"])

    def purchase(self, product, quantity, operation):
        try:
            taken = products.find_one_and_update(
                {"_id": product, "stock": {"$gte": quantity}},
                {"$inc": {"stock": -quantity, "version": 1}, "$set": {"lastOperation": operation}},
                projection={"stock": 1, "version": 1},
                return_document=ReturnDocument.AFTER,
            )
        except PyMongoError as error:
            return self.answer(503, {"error": str(error)})
        if taken is None:
            return self.answer(409, {"error": "stock is short"})

        # Committed. Whatever goes wrong from here on loses the event.
        try:
            reason = self.publish(product, quantity, operation, taken["version"])
        except (KafkaException, BufferError) as error:
            reason = str(error)
        if reason is not None:
            print(f"purchase {operation} is done, but its event was not sent: {reason}", flush=True)
        return self.answer(201, {"version": taken["version"], "stock": taken["stock"]})

    def publish(self, product, quantity, operation, version):
        headers = {
            "ce_specversion": "1.0", "ce_id": str(uuid.uuid4()), "ce_source": "/examples/python-shop",
            "ce_type": "purchase.completed", "ce_subject": product,
            "ce_time": datetime.now(timezone.utc).isoformat(), "ce_correlationid": operation,
            "ce_sequence": str(version), "content-type": "application/json",
            "traceparent": self.headers.get("traceparent", ""),
        }
        payload = {"product": product, "quantity": quantity, "version": version, "operation": operation}
        return self.publisher.send(product, json.dumps(payload), list(headers.items()))

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        """One line for each request would only hide the lines that matter."""


def main():
    ThreadingHTTPServer.request_queue_size = 128
    host, port = os.environ["LISTEN_ADDR"].rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Shop)
    Shop.publisher = Publisher()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    Shop.publisher.close()


if __name__ == "__main__":
    main()
