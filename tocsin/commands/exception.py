"""`tocsin exception`: what is known to be harmless, beside the detector."""

from tocsin.muting_commands import muting

app = muting(
    "exception",
    help_="What is known to be harmless, for longer: it has an owner and a day on which it is reviewed.",
    until="90d",
    for_help="How long (90d; 400 days at most), or until when.",
    example='--where detector=data_volume --where client=etl-nightly --for 90d -m "OPS-9: the nightly copy"',
)
