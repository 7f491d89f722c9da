// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC5643} from "../IERC5643.sol";
import {ISubscription} from "../ISubscription.sol";
import {Subscription} from "../Subscription.sol";
import {TestDollar} from "../TestDollar.sol";
import {BarringToken, FalseToken, PlainToken, ReentrantToken} from "./Tokens.sol";
import {VM, bound, equal, isTrue} from "./Vm.sol";

/// @dev Unit and fuzz tests of subscriptions; the same rules run in subscriptions.contract.ts over anvil.
contract SubscriptionTest {
    address private constant PROVIDER = address(0xBEEF);
    address private constant STRANGER = address(0x5742);
    uint128 private constant PRICE = 500;
    uint48 private constant PERIOD = 30 days;
    uint32 private constant AHEAD = 12;
    uint256 private constant NOW = 1_000_000;

    Subscription private book;
    TestDollar private dollar;
    uint256 private plan;

    function setUp() public {
        VM.warp(NOW);
        book = new Subscription();
        dollar = new TestDollar();
        dollar.mint(address(this), 1_000_000);
        dollar.approve(address(book), type(uint256).max);
        VM.prank(PROVIDER);
        plan = book.register(7, address(dollar), PRICE, PERIOD, AHEAD, 100);
    }

    /// @dev The number that the standard names, and nothing else.
    function test_interfaces() public view {
        isTrue(type(IERC5643).interfaceId == 0x8c65f84d, "the interface's id");
        isTrue(book.supportsInterface(0x8c65f84d), "EIP-5643");
        isTrue(book.supportsInterface(type(IERC721).interfaceId), "ERC-721");
        isTrue(book.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        isTrue(!book.supportsInterface(0xffffffff), "not everything");
    }

    function test_sameTermsAgainChangeNothingAndOthersRevert() public {
        equal(plan, uint256(keccak256(abi.encode(PROVIDER, uint64(7)))), "id");
        VM.startPrank(PROVIDER);
        equal(book.register(7, address(dollar), PRICE, PERIOD, AHEAD, 100), plan, "id");
        VM.expectRevert(abi.encodeWithSelector(ISubscription.OtherPlan.selector, plan));
        book.register(7, address(dollar), PRICE, PERIOD, AHEAD, 101);
        VM.stopPrank();
        equal(book.planOf(plan).quota, 100, "quota");
    }

    function testFuzz_badPlansAreRefused(uint128 price, uint48 period, uint32 ahead) public {
        bool good = price > 0 && period > 0 && period <= 366 days && ahead > 0 && ahead <= 1_000;
        if (!good) VM.expectRevert(ISubscription.BadPlan.selector);
        book.register(8, address(dollar), price, period, ahead, 0);
        VM.expectRevert(ISubscription.BadPlan.selector);
        book.register(9, address(0), 1, 1, 1, 0);
    }

    function test_subscribeRenewCancel() public {
        uint256 id = book.subscribe(plan, 3, 1);
        equal(id, uint256(keccak256(abi.encode(plan, address(this), uint64(3)))), "id");
        isTrue(book.ownerOf(id) == address(this) && book.isRenewable(id), "held");
        equal(book.expiresAt(id), NOW + PERIOD, "bought");
        book.renewSubscription(id, 2 * uint64(PERIOD));
        equal(book.expiresAt(id), NOW + 3 * PERIOD, "renewed");
        equal(dollar.balanceOf(PROVIDER), 3 * PRICE, "paid");
        book.cancelSubscription(id);
        book.cancelSubscription(id);
        isTrue(!book.isRenewable(id), "cancelled");
        equal(book.expiresAt(id), NOW + 3 * PERIOD, "what is paid for stays");
        VM.expectRevert(abi.encodeWithSelector(ISubscription.IsCancelled.selector, id));
        book.renewSubscription(id, PERIOD);
        (address holder, uint256 of_, uint48 until, bool cancelled) = book.subscriptionOf(id);
        isTrue(holder == address(this) && of_ == plan && until == NOW + 3 * PERIOD && cancelled, "in one question");
    }

    /// @dev Whatever is bought when: time and money agree, and it never reaches further than allowed.
    function testFuzz_timeIsWhatWasPaid(uint32[6] calldata periods, uint32[6] calldata waits) public {
        uint256 id = book.subscribe(plan, 0, 1);
        uint256 time = NOW;
        uint256 until = NOW + PERIOD;
        uint256 paid = PRICE;
        for (uint256 i = 0; i < 6; ++i) {
            uint32 n = uint32(bound(periods[i], 0, AHEAD + 1));
            time += bound(waits[i], 0, 90 days);
            VM.warp(time);
            uint256 next = (until > time ? until : time) + uint256(n) * PERIOD;
            bool wrong = n == 0 || n > AHEAD || next > time + uint256(AHEAD) * PERIOD;
            if (wrong) VM.expectRevert(abi.encodeWithSelector(ISubscription.BadPeriods.selector, n, AHEAD));
            book.renewSubscription(id, uint64(n) * PERIOD);
            if (wrong) continue;
            until = next;
            paid += uint256(n) * PRICE;
        }
        equal(book.expiresAt(id), until, "expires");
        equal(dollar.balanceOf(PROVIDER), paid, "paid");
        equal(dollar.balanceOf(address(book)), 0, "kept nothing");
    }

    function testFuzz_onlyWholePeriods(uint64 duration) public {
        uint256 id = book.subscribe(plan, 0, 1);
        VM.assume(duration % PERIOD != 0);
        VM.expectRevert(abi.encodeWithSelector(ISubscription.BadDuration.selector, duration, PERIOD));
        book.renewSubscription(id, duration);
    }

    /// @dev A purchase that is sent twice is paid once.
    function test_theSamePurchaseTwiceIsPaidOnce() public {
        uint256 id = book.subscribe(plan, 3, 1);
        VM.expectRevert(abi.encodeWithSelector(ISubscription.AlreadySubscribed.selector, id));
        book.subscribe(plan, 3, 1);
        // Given away, the number stays taken.
        book.transferFrom(address(this), STRANGER, id);
        VM.expectRevert(abi.encodeWithSelector(ISubscription.AlreadySubscribed.selector, id));
        book.subscribe(plan, 3, 1);
        equal(dollar.balanceOf(PROVIDER), PRICE, "paid");
        isTrue(book.subscribe(plan, 4, 1) != id, "another number is another one");
    }

    function test_travelsWithItsTokenAndOnlyItsHolderCancels() public {
        uint256 id = book.subscribe(plan, 3, 1);
        VM.prank(STRANGER);
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, STRANGER, id));
        book.cancelSubscription(id);
        book.transferFrom(address(this), STRANGER, id);
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, address(this), id));
        book.cancelSubscription(id);
        // Anybody may pay for anybody.
        book.renewSubscription(id, PERIOD);
        equal(book.expiresAt(id), NOW + 2 * PERIOD, "renewed");
        VM.prank(STRANGER);
        book.cancelSubscription(id);
        isTrue(!book.isRenewable(id), "cancelled by its holder");
    }

    function test_aClosedPlanSellsAndRenewsNoMore() public {
        uint256 id = book.subscribe(plan, 3, 1);
        VM.expectRevert(abi.encodeWithSelector(ISubscription.UnknownPlan.selector, book.planIdOf(address(this), 7)));
        book.close(7);
        VM.startPrank(PROVIDER);
        book.close(7);
        book.close(7);
        equal(book.register(7, address(dollar), PRICE, PERIOD, AHEAD, 100), plan, "registering again opens nothing");
        VM.stopPrank();
        isTrue(book.planOf(plan).closed && !book.isRenewable(id), "closed");
        VM.expectRevert(abi.encodeWithSelector(ISubscription.PlanIsClosed.selector, plan));
        book.renewSubscription(id, PERIOD);
        VM.expectRevert(abi.encodeWithSelector(ISubscription.PlanIsClosed.selector, plan));
        book.subscribe(plan, 4, 1);
        equal(book.expiresAt(id), NOW + PERIOD, "what is paid for stays");
    }

    function test_whatIsNotThere() public {
        equal(book.expiresAt(5), 0, "expires");
        isTrue(!book.isRenewable(5), "renewable");
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 5));
        book.renewSubscription(5, PERIOD);
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 5));
        book.cancelSubscription(5);
        VM.expectRevert(abi.encodeWithSelector(ISubscription.UnknownPlan.selector, 5));
        book.subscribe(5, 0, 1);
    }

    function test_coinsAreNotTaken() public {
        uint256 id = book.subscribe(plan, 3, 1);
        VM.expectRevert(ISubscription.NoCoins.selector);
        book.renewSubscription{value: 1}(id, PERIOD);
        VM.expectRevert(ISubscription.NoCoins.selector);
        book.cancelSubscription{value: 1}(id);
        equal(address(book).balance, 0, "coins");
    }

    function test_withoutMoneyNothingHappens() public {
        VM.startPrank(STRANGER);
        dollar.approve(address(book), PRICE);
        VM.expectRevert();
        book.subscribe(plan, 0, 1);
        VM.stopPrank();
        equal(book.balanceOf(STRANGER), 0, "token");
        FalseToken token = new FalseToken();
        token.setBroken(true);
        uint256 other = book.register(1, address(token), 5, PERIOD, AHEAD, 0);
        VM.expectRevert();
        book.subscribe(other, 0, 1);
        BarringToken barring = new BarringToken();
        barring.mint(address(this), 5);
        barring.approve(address(book), 5);
        barring.pause(true);
        other = book.register(2, address(barring), 5, PERIOD, AHEAD, 0);
        VM.expectRevert();
        book.subscribe(other, 0, 1);
        equal(book.balanceOf(address(this)), 0, "token");
    }

    function test_largestPlanFits() public {
        PlainToken token = new PlainToken();
        uint256 big = book.register(1, address(token), type(uint128).max, 366 days, 1_000, type(uint64).max);
        token.mint(address(this), uint256(type(uint128).max) * 1_000);
        token.approve(address(book), type(uint256).max);
        equal(book.expiresAt(book.subscribe(big, 0, 1_000)), NOW + uint256(366 days) * 1_000, "expires");
    }

    /// @dev Who comes back in during the transfer buys what it pays for, and nothing more.
    function test_reentrancyBuysNothingForFree() public {
        ReentrantToken token = new ReentrantToken();
        uint256 other = book.register(3, address(token), 5, PERIOD, AHEAD, 0);
        token.mint(address(this), 5);
        token.approve(address(book), 5);
        uint256 id = book.tokenIdOf(other, address(this), 0);
        token.arm(address(book), abi.encodeCall(IERC5643.renewSubscription, (id, uint64(PERIOD))));
        book.subscribe(other, 0, 1);
        isTrue(token.entered() && !token.succeeded(), "the token has no allowance of its own");
        equal(book.expiresAt(id), NOW + PERIOD, "one period");
    }
}
