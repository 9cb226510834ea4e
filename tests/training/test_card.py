from training.card import accuracy_table


def test_the_cards_table_has_the_attributes_that_a_caption_tells():
    told = {"landmark": 1.0, "style": 0.5, "mean": 0.75, "frechet": 0.3, "telltale": 0.5}
    rows = accuracy_table({"7.5": told}).splitlines()
    assert rows[0] == "| guidance | landmark | style | mean | Fréchet | told apart |"
    assert rows[2] == "| 7.5 | 100.0% | 50.0% | 75.0% | 0.3 | 50% |"
