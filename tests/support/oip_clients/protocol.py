"""Holds sagate's Open Inference Protocol against the one that NVIDIA Triton's client brings: every service, method, message, field and
enumeration value of ours is theirs, under the same number and of the same type.

    python protocol.py FILE    FILE: a FileDescriptorSet
"""

import pathlib
import sys

from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2


def all_of(files):
    """Everything in some files, by full name, as what matters on the wire."""
    things = {}

    def message(prefix, it):
        name = f"{prefix}.{it.name}"
        things[name] = "message", it.options.map_entry
        for field in it.field:
            oneof = it.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
            key = f"{name}.{field.name}"
            things[key] = "field", field.number, field.type, field.label, field.type_name, oneof
        for inner in it.nested_type:
            message(name, inner)
        for inner in it.enum_type:
            enumeration(name, inner)

    def enumeration(prefix, it):
        for value in it.value:
            things[f"{prefix}.{it.name}.{value.name}"] = "value", value.number

    for file in files:
        for it in file.message_type:
            message(f".{file.package}", it)
        for it in file.enum_type:
            enumeration(f".{file.package}", it)
        for service in file.service:
            for method in service.method:
                streams = method.client_streaming, method.server_streaming
                key = f".{file.package}.{service.name}.{method.name}"
                things[key] = "method", method.input_type, method.output_type, streams
    return things


def copy(module):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def main():
    ours = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(sys.argv[1]).read_bytes())
    ours = all_of(it for it in ours.file if it.package == "inference")
    theirs = all_of([copy(service_pb2), copy(model_config_pb2)])
    wrong = [f"{name}: {it}, theirs is {theirs.get(name)}" for name, it in ours.items() if theirs.get(name) != it]
    assert not wrong, wrong
    methods = sum(it[0] == "method" for it in ours.values())
    fields = sum(it[0] == "field" for it in ours.values())
    print(f"{methods} methods and {fields} fields are theirs")


main()
