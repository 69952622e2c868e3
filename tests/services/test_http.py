"""HTTP/1.1 as the server speaks it, over the kernel's own TCP."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from streams import Client, serving

from lastack.services.files import Files
from lastack.services.http import HttpService

Scene = Callable[[Client], Awaitable[None]]
TEXT = bytes(range(256)) * 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory to serve, with things beside it that nobody may see."""
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "public"
    (inside / "sub").mkdir(parents=True)
    (inside / "data.bin").write_bytes(TEXT)
    (inside / "empty").write_bytes(b"")
    (inside / "a b&<ü>.txt").write_text("odd name")
    (inside / "sub" / "page.html").write_text("<p>")
    (inside / "out").symlink_to(tmp_path / "secret.txt")
    (inside / "up").symlink_to("..")
    (inside / "link").symlink_to("sub/page.html")
    os.mkfifo(inside / "fifo")
    return inside


def play(root: Path, scene: Scene, writable: bool = False) -> None:
    async def main() -> None:
        files = Files(root, writable)
        async with serving(HttpService(files.answer)) as connect:
            await scene(await connect())
        files.close()

    asyncio.run(main())


def test_get_and_head_answer_alike_but_for_the_body(root: Path) -> None:
    """RFC 9110 9.3.2: HEAD is GET without the content; the connection stays open between them."""

    async def scene(client: Client) -> None:
        status, fields, body = await client.asks("GET /data.bin HTTP/1.1")
        assert (status, body) == (200, TEXT)
        status, head_fields, body = await client.asks("HEAD /data.bin HTTP/1.1")
        assert (status, body) == (200, b"")
        assert {**fields, "date": ""} == {**head_fields, "date": ""}
        assert fields["content-length"] == str(len(TEXT))
        assert (await client.asks("GET /empty HTTP/1.1"))[::2] == (200, b"")

    play(root, scene)


@pytest.mark.parametrize(
    "asked, status, start, end",
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, len(TEXT)),
        ("bytes=-5", 206, len(TEXT) - 5, len(TEXT)),
        ("bytes=0-999999", 206, 0, len(TEXT)),
        ("bytes=-999999", 206, 0, len(TEXT)),
        ("bytes=5-2", 200, 0, len(TEXT)),
        ("bytes=-", 200, 0, len(TEXT)),
        ("lines=1-2", 200, 0, len(TEXT)),
        ("bytes=0-1,3-4", 200, 0, len(TEXT)),
        ("bytes=999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_a_single_range_is_answered_with_that_part(
    root: Path, asked: str, status: int, start: int, end: int
) -> None:
    """RFC 9110 14: 206 with Content-Range, 416 when nothing of it exists, else ignored."""

    async def scene(client: Client) -> None:
        found, fields, body = await client.asks("GET /data.bin HTTP/1.1", f"Range: {asked}")
        assert found == status
        if status == 416:
            assert fields["content-range"] == f"bytes */{len(TEXT)}"
        else:
            assert body == TEXT[start:end]
        if status == 206:
            assert fields["content-range"] == f"bytes {start}-{end - 1}/{len(TEXT)}"

    play(root, scene)


def test_what_has_not_changed_is_not_sent_again(root: Path) -> None:
    """RFC 9110 13.1: If-None-Match first, If-Modified-Since without it; If-Range guards a range."""

    async def scene(client: Client) -> None:
        _, fields, _ = await client.asks("GET /data.bin HTTP/1.1")
        tag, date = fields["etag"], fields["last-modified"]
        get = "GET /data.bin HTTP/1.1"
        assert (await client.asks(get, f"If-None-Match: {tag}"))[::2] == (304, b"")
        assert (await client.asks(get, f'If-None-Match: "x", W/{tag}'))[0] == 304
        assert (await client.asks(get, 'If-None-Match: "x"', f"If-Modified-Since: {date}"))[
            0
        ] == 200
        assert (await client.asks(get, f"If-Modified-Since: {date}"))[0] == 304
        assert (await client.asks(get, "If-Modified-Since: nonsense"))[0] == 200
        old = "If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT"
        assert (await client.asks(get, old))[0] == 200
        assert (await client.asks(get, "Range: bytes=0-1", f"If-Range: {tag}"))[0] == 206
        assert (await client.asks(get, "Range: bytes=0-1", 'If-Range: "x"'))[0] == 200

    play(root, scene)


@pytest.mark.parametrize(
    "target, status",
    [
        ("/../secret.txt", 403),
        ("/sub/../../secret.txt", 403),
        ("/%2e%2e/secret.txt", 403),
        ("/%2e%2e%2fsecret.txt", 403),
        ("/sub/..", 403),
        ("/out", 403),
        ("/up/secret.txt", 403),
        ("/up/", 403),
        ("/link", 200),
        ("//data.bin", 200),
        ("/./sub/./page.html", 200),
        ("http://other/data.bin?x=1", 200),
        ("/a%20b%26%3C%C3%BC%3E.txt", 200),
        ("/data.bin/", 404),
        ("/data.bin/x", 404),
        ("/nothing", 404),
        ("/%00", 404),
        ("/.lastack-upload-0", 404),
        ("/" + "x" * 300, 414),
        ("/fifo", 403),
        ("data.bin", 400),
        ("ftp://other/data.bin", 400),
    ],
)
def test_no_name_leads_out_of_the_directory(root: Path, target: str, status: int) -> None:
    """Neither dots, however spelled, nor symbolic links; inside, links are followed."""

    async def scene(client: Client) -> None:
        found, _, body = await client.asks(f"GET {target} HTTP/1.1")
        assert found == status
        assert b"secret" not in body.replace(b"secret.txt", b"")

    play(root, scene)


def test_a_directory_is_a_page_of_links_that_stay_inside(root: Path) -> None:
    """Names are escaped; what leads outside or is no file is not listed."""

    async def scene(client: Client) -> None:
        status, fields, _ = await client.asks("GET /sub HTTP/1.1")
        assert (status, fields["location"]) == (301, "/sub/")
        status, fields, page = await client.asks("GET / HTTP/1.1")
        assert (status, fields["content-type"]) == (200, "text/html; charset=utf-8")
        text = page.decode()
        assert "./a%20b%26%3C%C3%BC%3E.txt" in text and "a b&amp;&lt;ü&gt;.txt" in text
        assert "./link" in text and "./sub/" in text
        assert "./out" not in text and "./up" not in text and "fifo" not in text
        assert text.index("./sub/") < text.index("./data.bin")
        (root / "index.html").write_text("mine")
        assert (await client.asks("GET / HTTP/1.1"))[2] == b"mine"

    play(root, scene)


def test_a_redirect_cannot_lead_to_another_host(root: Path) -> None:
    """A Location that begins with two slashes would name a host."""

    async def scene(client: Client) -> None:
        _, fields, _ = await client.asks("GET //sub HTTP/1.1")
        assert fields["location"] == "/sub/"

    play(root, scene)


@pytest.mark.parametrize(
    "lines, status",
    [
        (("NONSENSE",), 400),
        (("GET / HTTP/2.0",), 505),
        (("BREW / HTTP/1.1", "Connection: close"), 501),
        (("GET / HTTP/1.1", "Host: second"), 400),
        (("GET / HTTP/1.1", "no colon"), 400),
        (("GET / HTTP/1.1", "Space : x"), 400),
        (("GET / HTTP/1.1", " folded: x"), 400),
        (("GET / HTTP/1.1", "X: " + "y" * 40_000), 431),
        (("GET / HTTP/1.1", *["X: y"] * 200), 431),
        (("GET / HTTP/1.1", "Expect: miracles"), 417),
        (("PUT /x HTTP/1.1", "Content-Length: 1", "Content-Length: 2"), 400),
        (("PUT /x HTTP/1.1", "Content-Length: -1"), 400),
        (("PUT /x HTTP/1.1", "Content-Length: 3", "Transfer-Encoding: chunked"), 400),
        (("PUT /x HTTP/1.1", "Transfer-Encoding: gzip, chunked"), 501),
        (("PUT /x HTTP/1.0", "Transfer-Encoding: chunked"), 400),
        (("PUT /x HTTP/1.1", "Expect: 100-continue", "Content-Length: 1", "Content-Range: x"), 400),
        (("PUT /../x HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), 403),
        (("PUT /none/x HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), 409),
        (("PUT /sub HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), 409),
        (("PUT /sub/ HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), 409),
        (("PUT /out HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), 409),
        (("PUT /up/x HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), 403),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_and_ends_the_stream(
    root: Path, lines: tuple[str, ...], status: int
) -> None:
    """RFC 9112 9.6: the answer arrives although the rest of the request is never read."""

    async def scene(client: Client) -> None:
        found, fields, _ = await client.asks(*lines)
        assert (found, fields["connection"]) == (status, "close")
        assert await client.reader.read() == b""

    play(root, scene, writable=True)
    assert not list(root.parent.glob("**/.lastack-upload-*"))


def test_without_permission_nothing_is_put(root: Path) -> None:
    """PUT is for --writable alone; 405 says what is allowed (RFC 9110 15.5.6)."""

    async def scene(client: Client) -> None:
        status, fields, _ = await client.asks("PUT /x HTTP/1.1", "Content-Length: 3", body=b"abc")
        assert (status, fields["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert (await client.asks("GET /empty HTTP/1.1"))[0] == 200

    play(root, scene)
    assert not (root / "x").exists()


def test_an_upload_that_waits_is_told_to_go_on(root: Path) -> None:
    """RFC 9110 10.1.1: 100 Continue, and only then the body; it appears whole under its name."""

    async def scene(client: Client) -> None:
        put = "PUT /sub/new HTTP/1.1"
        client.says(put, "Content-Length: 600000", "Expect: 100-continue")
        assert (await client.hears())[0] == 100
        client.writer.write(bytes(300_000))
        await client.writer.drain()
        assert not (root / "sub" / "new").exists()
        client.writer.write(bytes(300_000))
        status, fields, _ = await client.hears()
        assert (status, fields["location"]) == (201, "/sub/new")
        assert (await client.asks(put, "Content-Length: 3", body=b"abc"))[0] == 204
        assert (await client.asks("GET /sub/new HTTP/1.1"))[2] == b"abc"

    play(root, scene, writable=True)
    assert [path.name for path in (root / "sub").iterdir() if "upload" in path.name] == []


def test_chunks_are_put_together(root: Path) -> None:
    """RFC 9112 7.1: sizes in hexadecimal, extensions and trailers skipped."""

    async def scene(client: Client) -> None:
        body = b"5;x=y\r\nhello\r\n1\r\n \r\nB \r\nbig world..\r\n000\r\nTrailer: x\r\n\r\n"
        put = ("PUT /x HTTP/1.1", "Transfer-Encoding: Chunked")
        assert (await client.asks(*put, body=body))[0] == 201
        assert (await client.asks("GET /x HTTP/1.1"))[2] == b"hello big world.."

    play(root, scene, writable=True)


@pytest.mark.parametrize("body", [b"zz\r\n", b"-1\r\n", b"2\r\nabc\r\n", b"1" * 5000 + b"\r\n"])
def test_a_malformed_chunk_is_refused_and_leaves_nothing(root: Path, body: bytes) -> None:
    """RFC 9112 7.1: what cannot be delimited cannot be stored."""

    async def scene(client: Client) -> None:
        status = (await client.asks("PUT /x HTTP/1.1", "Transfer-Encoding: chunked", body=body))[0]
        assert status in (400, 431)

    play(root, scene, writable=True)
    assert not (root / "x").exists() and not list(root.glob(".lastack-upload-*"))


def test_an_upload_that_breaks_off_leaves_what_was_there(root: Path) -> None:
    """A file appears when it is complete and not before."""

    async def scene(client: Client) -> None:
        client.says("PUT /data.bin HTTP/1.1", "Content-Length: 100", body=b"half")
        client.writer.write_eof()
        assert await client.reader.read() == b""

    async def tolerant(client: Client) -> None:
        try:
            await scene(client)
        except ConnectionResetError:
            pass

    play(root, tolerant, writable=True)
    assert (root / "data.bin").read_bytes() == TEXT
    assert not list(root.glob(".lastack-upload-*"))


def test_requests_in_a_row_are_answered_in_order(root: Path) -> None:
    """RFC 9112 9.3.2: a client may pipeline; Connection: close ends it."""

    async def scene(client: Client) -> None:
        for target in ("/data.bin", "/nothing", "/empty"):
            client.says(f"GET {target} HTTP/1.1")
        client.says("GET /link HTTP/1.1", "Connection: close")
        answers = [await client.hears() for _ in range(4)]
        assert [answer[0] for answer in answers] == [200, 404, 200, 200]
        assert answers[3][1]["connection"] == "close"
        assert await client.reader.read() == b""

    play(root, scene)


def test_http_1_0_closes_unless_asked_to_stay(root: Path) -> None:
    """RFC 9112 C.2.2: keep-alive is an extension there."""

    async def scene(client: Client) -> None:
        client.writer.write(b"GET /empty HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.hears())[1]["connection"] == "keep-alive"
        client.writer.write(b"\r\n\r\nGET /empty HTTP/1.0\n\n")
        assert (await client.hears())[1]["connection"] == "close"
        assert await client.reader.read() == b""

    play(root, scene)


def test_a_big_file_goes_out_in_pieces_to_a_slow_reader(root: Path) -> None:
    """Flow control: the file is read as fast as it is heard; every octet arrives in order."""
    big = os.urandom(1 << 20) * 24
    (root / "big").write_bytes(big)

    async def scene(client: Client) -> None:
        client.says("GET /big HTTP/1.1")
        await client.reader.readuntil(b"\r\n\r\n")
        seen = hashlib.sha256()
        left = len(big)
        while left:
            piece = await client.reader.read(min(left, 100_000))
            seen.update(piece)
            left -= len(piece)
        assert seen.digest() == hashlib.sha256(big).digest()

    play(root, scene)
