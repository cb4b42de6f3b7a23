"""A page that opens without asking anybody outside."""

from __future__ import annotations

import base64

import pytest

from reports.outside import has_policy, keep_inside, outside_addresses

ANALYTICS = """
    <script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>
    <script>
        window.dataLayer = window.dataLayer || [];
        function gtag(){dataLayer.push(arguments);}
        gtag('config', 'G-1', {"report": "awesome"});
    </script>"""
PAGE = """<!DOCTYPE html><html><head lang="en"><title>t</title></head>
<body><svg xmlns="http://www.w3.org/2000/svg"></svg>
<a href="https://example.com/docs">a link is followed by a person, not by the browser</a>
<script>window.allure = {"data": "d(1)"}</script>EXTRA</body></html>"""


def page(extra: str = "") -> str:
    return PAGE.replace("EXTRA", extra)


def as_data(program: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(program.encode()).decode()


def test_a_plain_page_asks_nobody() -> None:
    assert outside_addresses(page()) == []


def test_the_analytics_tag_is_found_and_stripped() -> None:
    planted = page(ANALYTICS)
    kept = keep_inside(planted)

    assert outside_addresses(planted) == [
        "<script src> https://www.googletagmanager.com/gtag/js?id=G-1"
    ]
    assert outside_addresses(kept) == []
    assert "gtag" not in kept


def test_the_page_s_own_scripts_stay() -> None:
    assert 'window.allure = {"data": "d(1)"}' in keep_inside(page(ANALYTICS))


def test_the_policy_stands_before_everything_that_could_load() -> None:
    kept = keep_inside(page(ANALYTICS))

    assert has_policy(kept)
    assert kept.index("Content-Security-Policy") < kept.index("<title>")


@pytest.mark.parametrize(
    "tag",
    [
        '<img src="https://example.com/a.png">',
        '<img src="//example.com/a.png">',
        '<img srcset="https://example.com/a.png 2x">',
        '<link rel="stylesheet" href="http://example.com/a.css">',
        '<iframe src="https://example.com/">x</iframe>',
        "<style>@import 'https://example.com/a.css';</style>",
        "<style>body { background: url(https://example.com/a.png) }</style>",
        '<p style="background: url(//example.com/a.png)">x</p>',
        "<script>fetch('https://example.com/a.json')</script>",
        "<script>new WebSocket('wss://example.com/')</script>",
        "<script>image.src = 'https://example.com/pixel'</script>",
        f'<script src="{as_data("navigator.sendBeacon(`https://example.com/`)")}"></script>',
    ],
)
def test_whatever_a_browser_would_load_is_found(tag: str) -> None:
    found = outside_addresses(page(tag))

    assert len(found) == 1
    assert "//example.com/" in found[0]


@pytest.mark.parametrize(
    "tag",
    [
        '<img src="data:image/png;base64,AAAA">',
        '<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns=\'http://www.w3.org/2000/svg\'%3E">',
        "<script>const help = 'https://example.com/docs'</script>",
        f'<script src="{as_data("const ns = `http://www.w3.org/1999/xhtml`")}"></script>',
        '<img srcset="data:image/png;base64,AA//AA 2x">',
    ],
)
def test_what_only_names_an_address_is_no_finding(tag: str) -> None:
    assert outside_addresses(page(tag)) == []
