"""What a hand does with a mouse."""


def share_of(box, share):
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def drag(opened, selector, start, end):
    box = opened.page.locator(selector).first.bounding_box()
    mouse = opened.page.mouse
    mouse.move(*share_of(box, start))
    mouse.down()
    mouse.move(*share_of(box, (start + end) / 2), steps=3)
    mouse.move(*share_of(box, end))
    mouse.up()
    opened.settle()
