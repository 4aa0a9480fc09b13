"""Tests of the project that test_migrating.py makes of the pages; they run inside it."""

from chat.models import Message
from django.contrib.auth.models import User
from django.test import TestCase
from orders.models import Order
from shop.models import Product

from wsrequest.test import WebSocketTestMixin


class ChannelsTests(WebSocketTestMixin, TestCase):
    def test_room_is_live_for_those_who_are_logged_in(self):
        url = "/chat/lobby/messages/"
        self.assertEqual(self.client.live(url).response.status_code, 401)
        self.client.force_login(User.objects.create(username="ann"))
        live = self.client.live(url)
        self.assertEqual(live.response.json(), {"messages": []})
        self.client.post(url, {"text": "Hello"})
        [version] = live.settle()
        self.assertEqual([each["text"] for each in version.json()["messages"]], ["Hello"])
        Message.objects.create(room="kitchen", text="Tea?")
        self.assertEqual(live.settle(), [])


class DcrfTests(WebSocketTestMixin, TestCase):
    def test_list_of_orders_is_live_and_each_customer_s_own(self):
        ann, bob = (User.objects.create(username=name) for name in ("ann", "bob"))
        self.assertEqual(self.client.get("/orders/").status_code, 403)
        self.client.force_login(ann)
        live = self.client.live("/orders/")
        self.client.post("/orders/", {"title": "Tea"}, content_type="application/json")
        [version] = live.settle()
        [order] = version.json()
        self.assertEqual((order["title"], order["is_paid"]), ("Tea", False))
        Order.objects.bulk_create([Order(customer=bob, title="Salt")])
        self.assertEqual(live.settle(), [])
        Order.objects.filter(customer=ann).update(is_paid=True)
        [version] = live.settle()
        self.assertTrue(version.json()[0]["is_paid"])
        one = self.client.live(f"/orders/{order['id']}/")
        self.client.delete(f"/orders/{order['id']}/")
        [version] = one.settle()
        self.assertEqual((version.status_code, one.is_ended), (404, True))


class EventstreamTests(WebSocketTestMixin, TestCase):
    def test_stock_is_live(self):
        tea = Product.objects.create(name="Tea", left=3)
        live = self.client.live("/stock/")
        self.assertEqual(self.client.post(f"/sell/{tea.pk}/").json(), {"left": 2})
        [version] = live.settle()
        self.assertEqual(version.json(), {"stock": [{"name": "Tea", "left": 2}]})
