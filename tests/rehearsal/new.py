"""The library as it is to be: Starlette, under uvicorn. Four things went wrong on the way; each has a comment.

    uvicorn --app-dir tests/rehearsal new:app"""

import contextlib

import anyio.to_thread
from library import BOOKS, HOURS, Library
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

# 1. A query without its index: the loans of a reader take 15 % longer.
library = Library(slower={"loans": 1.15})


def books(request):
    # 2. The header X-Total-Count is forgotten.
    with library.takes("books"):
        return JSONResponse(library.page(int(request.query_params.get("page", 0))))


def book(request):
    number = request.path_params["number"]
    with library.takes("book"):
        if number >= BOOKS:
            return JSONResponse({"error": f"there is no book {number}"}, 404)
        found = library.book(number)
        # 3. A field has another name.
        found["late_fee"] = found.pop("fine_per_day")
        return JSONResponse(found)


def search(request):
    words = request.query_params.get("q", "")
    with library.takes("search"):
        # 4. A quote that is not escaped: what its database says of it becomes an error.
        if "'" in words:
            return JSONResponse({"error": "syntax error in query"}, 500)
        return JSONResponse(library.search(words))


def loans(request):
    with library.takes("loans"):
        return JSONResponse(library.loans_of(request.path_params["reader"]))


async def lend(request):
    asked = await request.json()

    def lent():
        with library.takes("lend"):
            loan = library.lend(asked["reader"], asked["book"])
        return JSONResponse(loan, 201, {"Location": f"/loans/{loan['id']}"})

    return await run_in_threadpool(lent)


def hold(request):
    with library.takes("hold"):
        return JSONResponse(library.hold(request.path_params["reader"], request.path_params["number"]))


def release(request):
    with library.takes("release"):
        library.release(request.path_params["reader"], request.path_params["number"])
    return Response(status_code=204)


def recommend(request):
    with library.takes("recommend"):
        return JSONResponse(library.recommend(request.path_params["reader"]))


def hours(request):
    with library.takes("hours"):
        return HTMLResponse(HOURS)


def reset(request):
    library.reset()
    return Response(status_code=204)


@contextlib.asynccontextmanager
async def as_many_threads_as_before(app):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 64
    yield


app = Starlette(
    lifespan=as_many_threads_as_before,
    routes=[
        Route("/books", books),
        Route("/books/{number:int}", book),
        Route("/search", search),
        Route("/readers/{reader:int}/loans", loans),
        Route("/loans", lend, methods=["POST"]),
        Route("/readers/{reader:int}/holds/{number:int}", hold, methods=["PUT"]),
        Route("/readers/{reader:int}/holds/{number:int}", release, methods=["DELETE"]),
        Route("/readers/{reader:int}/recommendations", recommend),
        Route("/opening-hours", hours),
        Route("/reset", reset, methods=["POST"]),
    ]
)
