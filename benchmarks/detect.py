"""What the detect stage costs with some detectors only: `tocsin bench detect` for one of them, or for none.

python benchmarks/detect.py [--principals 5000 1000000] [--events 200000] [--detectors failed_auth ...] [--json]
"""

import argparse
import json

from detectors.discovery import detector_names
from tocsin.bench.stage import CORE, run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--principals", type=int, nargs="+", default=[5_000, 1_000_000])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--detectors", nargs="+", choices=detector_names(), default=list(CORE))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [run(number, options.events, options.detectors) for number in options.principals]
    if options.json:
        print(json.dumps(results))
        return
    for result in results:
        for name, value in result.items():
            print(f"{name:>28}  {value:,.2f}" if isinstance(value, float) else f"{name:>28}  {value}")
        print()


if __name__ == "__main__":
    main()
