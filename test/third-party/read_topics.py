"""Reads topics to their end with confluent-kafka and fastavro, and prints each record as a line of JSON."""

import datetime
import decimal
import io
import json
import struct
import sys
import urllib.request
import uuid

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

brokers, registry, *topics = sys.argv[1:]
schemas = {}


def schema_of(schema_id):
    if schema_id not in schemas:
        with urllib.request.urlopen(f"{registry}/schemas/ids/{schema_id}") as answer:
            schemas[schema_id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    return schemas[schema_id]


def decode(data):
    if data is None:
        return None
    magic, schema_id = struct.unpack(">bI", data[:5])
    assert magic == 0
    return fastavro.schemaless_reader(io.BytesIO(data[5:]), schema_of(schema_id))


def as_text(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M:%S.%f")
    if isinstance(value, (datetime.date, decimal.Decimal, uuid.UUID)):
        return str(value)
    raise TypeError(type(value))


consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": "python",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
)
partitions = [
    TopicPartition(topic, partition, OFFSET_BEGINNING)
    for topic in topics
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions
]
consumer.assign(partitions)
open_partitions = len(partitions)
while open_partitions > 0:
    message = consumer.poll(30)
    if message is None:
        sys.exit("nothing came for 30 seconds")
    if message.error() is not None:
        if message.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        open_partitions -= 1
        continue
    line = {
        "topic": message.topic(),
        "partition": message.partition(),
        "key": decode(message.key()),
        "change": decode(message.value()),
    }
    print(json.dumps(line, default=as_text))
consumer.close()
