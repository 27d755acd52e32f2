"""Iceberg tables as pyiceberg writes them, and what it does not write: files of deletes, by position and by equality."""

import json
import os
import uuid
from urllib.parse import urlparse

import fastavro
import pyarrow
import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog

PATH_FIELD = pyarrow.field("file_path", pyarrow.string(), False, {"PARQUET:field_id": "2147483546"})
POS_FIELD = pyarrow.field("pos", pyarrow.int64(), False, {"PARQUET:field_id": "2147483545"})


class Lake:
    """A catalog of tables below a folder."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.catalog = SqlCatalog("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
        self.catalog.create_namespace("db")

    def create(self, name, schema, **more):
        return self.catalog.create_table(f"db.{name}", schema=schema, **more)

    def table(self, name):
        return self.catalog.load_table(f"db.{name}")

    def paths(self, name):
        """The files of rows that the table has now."""
        metadata = json.load(open(urlparse(self.table(name).metadata_location).path))
        snapshot = next(s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
        found = []
        for manifest in fastavro.reader(open(urlparse(snapshot["manifest-list"]).path, "rb")):
            if not manifest["content"]:
                entries = fastavro.reader(open(urlparse(manifest["manifest_path"]).path, "rb"))
                found += [entry["data_file"]["file_path"] for entry in entries if entry["status"] != 2]
        return sorted(found)

    def delete_positions(self, name, rows, referenced=None):
        """Deletes rows by the paths of their files and their positions."""
        paths, positions = zip(*sorted(rows))
        table = pyarrow.table([list(paths), list(positions)], schema=pyarrow.schema([PATH_FIELD, POS_FIELD]))
        return self._delete(name, table, 1, None, referenced)

    def delete_equal(self, name, columns, rows, like=None):
        """Deletes rows with the values of columns, given as (name, id, type); `like` is the path of a file whose
        partition they are for."""
        fields = [pyarrow.field(name, type, True, {"PARQUET:field_id": str(id)}) for name, id, type in columns]
        table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(fields))
        return self._delete(name, table, 2, [id for _, id, _ in columns], None, like)

    def _delete(self, name, rows, content, ids, referenced, like=None):
        table = self.table(name)
        metadata_path = urlparse(table.metadata_location).path
        metadata = json.load(open(metadata_path))
        snapshot = next(s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
        with open(urlparse(snapshot["manifest-list"]).path, "rb") as file:
            list_reader = fastavro.reader(file)
            list_schema, list_header, manifests = list_reader.writer_schema, list_reader.metadata, list(list_reader)
        entry_schema = header = model = None
        for manifest in manifests:
            if manifest["content"]:
                continue
            with open(urlparse(manifest["manifest_path"]).path, "rb") as file:
                reader = fastavro.reader(file)
                for entry in reader:
                    if like is None or entry["data_file"]["file_path"] == like:
                        entry_schema, header, model, spec = reader.writer_schema, reader.metadata, entry, manifest["partition_spec_id"]
        assert model is not None, "a file of the partition"
        folder = urlparse(table.location()).path
        path = f"{folder}/data/{uuid.uuid4()}-deletes.parquet"
        pyarrow.parquet.write_table(rows, path)
        sequence, number = metadata["last-sequence-number"] + 1, uuid.uuid4().int >> 66
        data_file = {
            **model["data_file"],
            "content": content,
            "file_path": f"file://{path}",
            "record_count": rows.num_rows,
            "file_size_in_bytes": os.path.getsize(path),
            "column_sizes": None,
            "value_counts": None,
            "null_value_counts": None,
            "nan_value_counts": None,
            "lower_bounds": None,
            "upper_bounds": None,
            "split_offsets": None,
            "equality_ids": ids,
        }
        if referenced:
            entry_schema = json.loads(json.dumps(entry_schema))
            file_field = next(f for f in entry_schema["fields"] if f["name"] == "data_file")
            if not any(f["name"] == "referenced_data_file" for f in file_field["type"]["fields"]):
                file_field["type"]["fields"].append(
                    {"name": "referenced_data_file", "type": ["null", "string"], "field-id": 143, "default": None}
                )
            data_file["referenced_data_file"] = referenced
        entry = {**model, "status": 1, "snapshot_id": number, "sequence_number": None, "file_sequence_number": None}
        entry["data_file"] = data_file
        kept = {key: value for key, value in header.items() if not key.startswith("avro.")}
        manifest_path = f"{folder}/metadata/{uuid.uuid4()}-deletes.avro"
        with open(manifest_path, "wb") as file:
            fastavro.writer(file, entry_schema, [entry], codec="deflate", metadata={**kept, "content": "deletes"})
        manifests.append(
            {
                **manifests[0],
                "manifest_path": f"file://{manifest_path}",
                "manifest_length": os.path.getsize(manifest_path),
                "partition_spec_id": spec,
                "content": 1,
                "sequence_number": sequence,
                "min_sequence_number": sequence,
                "added_snapshot_id": number,
                "partitions": None,
            }
        )
        list_path = f"{folder}/metadata/snap-{number}-{uuid.uuid4()}.avro"
        kept = {key: value for key, value in list_header.items() if not key.startswith("avro.")}
        with open(list_path, "wb") as file:
            fastavro.writer(file, list_schema, manifests, codec="deflate", metadata=kept)
        metadata["snapshots"].append(
            {
                **snapshot,
                "snapshot-id": number,
                "parent-snapshot-id": snapshot["snapshot-id"],
                "sequence-number": sequence,
                "manifest-list": f"file://{list_path}",
                "summary": {"operation": "delete"},
            }
        )
        metadata["current-snapshot-id"] = number
        metadata["last-sequence-number"] = sequence
        metadata["refs"]["main"]["snapshot-id"] = number
        version = int(os.path.basename(metadata_path).split("-")[0]) + 1
        metadata_path = f"{folder}/metadata/{version:05}-{uuid.uuid4()}.metadata.json"
        json.dump(metadata, open(metadata_path, "w"))
        self.catalog.drop_table(f"db.{name}")
        self.catalog.register_table(f"db.{name}", f"file://{metadata_path}")
        return f"file://{path}"
