"""`tocsin silence`: be told less for a while."""

from tocsin.muting_commands import muting

app = muting(
    "silence",
    help_="Be told less for a while: what is known and being worked on. Everything is still decided and kept.",
    until="1h",
    for_help="How long (4h, 2d; 30 days at most), or until when.",
    example='--where tenant=acme --where class=brute --for 4h -m "OPS-7: migration of the login service"',
)
