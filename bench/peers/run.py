"""Compares servers: starts each, checks that its masks and mu equal sagate's, and loads it in a closed loop with 1, 4 and 16 requests in flight,
in alternating rounds. `make bench-peers` runs it."""

import argparse
import asyncio
import itertools
import resource
import signal
import tempfile
import time

import aiohttp
import grpc
import images
import report
import settings
from clients import pixels
from server import Died, Server

IN_FLIGHT = [1, 4, 16]
# Tolerances for rounding: largest share of different pixels, and largest difference in mu.
MASK_TOLERANCE, MU_TOLERANCE = 2e-4, 2e-3


async def answers(server, count):
    """mu and mask of every image."""
    found = [await server.client.ask(number) for number in range(count)]
    return [(mu, pixels(mask)) for mu, mask in found]


def compare(setting, own, other):
    """Differences of a baseline's results from sagate's, and whether they are within tolerance."""
    pixels_apart = max((mask != theirs).mean() for (_, mask), (_, theirs) in zip(own, other))
    found = {"mask": float(pixels_apart), "mu": None, "agrees": bool(pixels_apart <= MASK_TOLERANCE)}
    if setting.qc != "none":
        found["mu"] = max(abs(mu - theirs) for (mu, _), (theirs, _) in zip(own, other))
        found["agrees"] = found["agrees"] and found["mu"] <= MU_TOLERANCE
    return found


async def closed_loop(server, in_flight, seconds, count):
    """Asks without a pause for at least `seconds` and until each of those in flight was answered twice, after a warm-up of one each."""
    numbers = itertools.cycle(range(count))
    latencies, ends = [], []

    async def caller(begun):
        while time.perf_counter() - begun < seconds or len(ends) < 2 * in_flight:
            sent = time.perf_counter()
            await server.client.ask(next(numbers))
            ends.append(time.perf_counter())
            latencies.append(ends[-1] - sent)

    await asyncio.gather(*(server.client.ask(next(numbers)) for _ in range(in_flight)))
    begun, cpu, own = time.perf_counter(), server.cpu_seconds(), own_cpu()
    await asyncio.gather(*(caller(begun) for _ in range(in_flight)))
    elapsed = max(ends) - begun
    return {
        "images_per_second": len(ends) / elapsed,
        "latencies_ms": [latency * 1e3 for latency in latencies],
        "server_cpu_ms_per_image": (server.cpu_seconds() - cpu) / len(ends) * 1e3,
        "client_cpu_share": (own_cpu() - own) / elapsed / settings.THREADS,
    }


def own_cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(setting, model, pictures, arguments, own):
    """One server in one round."""
    async with Server(setting, model, pictures) as server:
        found = {"agreement": compare(setting, own, await answers(server, len(pictures)))}
        if found["agreement"]["agrees"]:
            levels = [
                await closed_loop(server, in_flight, arguments.seconds, len(pictures))
                for in_flight in arguments.in_flight
            ]
            found["levels"] = dict(zip(arguments.in_flight, levels))
        found |= {"start_seconds": server.start_seconds, "peak_bytes": server.peak_bytes}
    return found


async def reference(model, pictures):
    """sagate's results of every image."""
    async with Server(settings.everyone()[0], model, pictures) as server:
        own = await answers(server, len(pictures))
    if not all(0 < mu < 1 and 0 < mask.mean() < 1 for mu, mask in own):
        raise SystemExit("sagate finds nothing, or nothing but object, in some image: there is nothing to compare")
    return own


async def run(arguments):
    chosen = [each for each in settings.everyone() if each.peer in arguments.peers.split()]
    pictures = images.load(settings.ROOT / "samples" / "t1-brain" / "images")
    results = {setting.name: {"setting": setting, "rounds": [], "failure": None} for setting in chosen}
    with tempfile.TemporaryDirectory() as model:
        settings.write_model(model)
        own = await reference(model, pictures)
        for turn in range(arguments.rounds):
            for setting in chosen:
                result = results[setting.name]
                if result["failure"]:
                    continue
                print(f"round {turn + 1} of {arguments.rounds}: {setting.name}", flush=True)
                try:
                    found = await measure(setting, model, pictures, arguments, own)
                except (Died, OSError, asyncio.TimeoutError, grpc.aio.AioRpcError, aiohttp.ClientError) as error:
                    # Errors of failed calls have many lines.
                    said = f"{error.code().name}, {error.details()}" if isinstance(error, grpc.aio.AioRpcError) else error
                    result["failure"] = f"{type(error).__name__}: {said}"
                    print(result["failure"], flush=True)
                    continue
                result["rounds"].append(found)
                rates = [f"{level['images_per_second']:.1f}" for level in found.get("levels", {}).values()]
                print(f"    images/s {' / '.join(rates)}; from sagate's {found['agreement']}", flush=True)
                if not found["agreement"]["agrees"]:
                    result["failure"] = f"disagrees with sagate and is not timed: {found['agreement']}"
    complete = arguments.rounds >= 3 and arguments.in_flight == IN_FLIGHT and len(chosen) == len(settings.everyone())
    report.write(arguments, complete, list(results.values()), own)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each part of a round, at least")
    parser.add_argument("--in-flight", type=int, nargs="+", default=IN_FLIGHT)
    parser.add_argument("--peers", default=" ".join(settings.TITLES), help="who takes part")
    # As Ctrl-C, so that no server is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asyncio.run(run(parser.parse_args()))
