"""The library as it was: Flask, under gunicorn.

    gunicorn -k gthread --threads 64 --pythonpath tests/rehearsal old:app"""

from flask import Flask, jsonify, request
from library import BOOKS, HOURS, Library

app = Flask(__name__)
library = Library()


@app.get("/books")
def books():
    with library.takes("books"):
        answer = jsonify(library.page(request.args.get("page", 0, int)))
    answer.headers["X-Total-Count"] = str(BOOKS)
    return answer


@app.get("/books/<int:number>")
def book(number):
    with library.takes("book"):
        if number >= BOOKS:
            return {"error": f"there is no book {number}"}, 404
        return library.book(number)


@app.get("/search")
def search():
    with library.takes("search"):
        return library.search(request.args.get("q", ""))


@app.get("/readers/<int:reader>/loans")
def loans(reader):
    with library.takes("loans"):
        return library.loans_of(reader)


@app.post("/loans")
def lend():
    with library.takes("lend"):
        loan = library.lend(request.json["reader"], request.json["book"])
    return loan, 201, {"Location": f"/loans/{loan['id']}"}


@app.put("/readers/<int:reader>/holds/<int:number>")
def hold(reader, number):
    with library.takes("hold"):
        return library.hold(reader, number)


@app.delete("/readers/<int:reader>/holds/<int:number>")
def release(reader, number):
    with library.takes("release"):
        library.release(reader, number)
    return "", 204


@app.get("/readers/<int:reader>/recommendations")
def recommend(reader):
    with library.takes("recommend"):
        return library.recommend(reader)


@app.get("/opening-hours")
def hours():
    with library.takes("hours"):
        return HOURS


@app.post("/reset")
def reset():
    library.reset()
    return "", 204
