// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPass} from "../IPass.sol";
import {Pass} from "../Pass.sol";
import {TestDollar} from "../TestDollar.sol";
import {BarringToken, FalseToken, PlainToken, ReentrantToken} from "./Tokens.sol";
import {VM, bound, equal, isTrue} from "./Vm.sol";

/// @dev Unit and fuzz tests of passes; the same rules run in passes.contract.ts over anvil.
contract PassTest {
    address private constant PROVIDER = address(0xBEEF);
    address private constant STRANGER = address(0x5742);
    uint128 private constant PRICE = 500;
    uint48 private constant PERIOD = 30 days;
    uint32 private constant AHEAD = 12;
    uint256 private constant NOW = 1_000_000;

    Pass private pass;
    TestDollar private dollar;
    uint256 private id;

    function setUp() public {
        VM.warp(NOW);
        pass = new Pass();
        dollar = new TestDollar();
        dollar.mint(address(this), 1_000_000);
        dollar.approve(address(pass), type(uint256).max);
        VM.prank(PROVIDER);
        id = pass.register(7, address(dollar), PRICE, PERIOD, AHEAD, 0);
    }

    function left() private view returns (uint256) {
        return pass.expiresAt(id, address(this));
    }

    function test_idIsTheHashOfProviderAndNumber() public view {
        equal(id, uint256(keccak256(abi.encode(PROVIDER, uint64(7)))), "id");
        equal(pass.classOf(id).price, PRICE, "price");
        isTrue(pass.classOf(id).provider == PROVIDER, "provider");
    }

    function test_sameTermsAgainChangeNothingAndOthersRevert() public {
        VM.startPrank(PROVIDER);
        equal(pass.register(7, address(dollar), PRICE, PERIOD, AHEAD, 0), id, "id");
        VM.expectRevert(abi.encodeWithSelector(IPass.OtherTerms.selector, id));
        pass.register(7, address(dollar), PRICE + 1, PERIOD, AHEAD, 0);
        VM.stopPrank();
        isTrue(pass.register(7, address(dollar), 1, PERIOD, AHEAD, 0) != id, "another provider has other numbers");
        equal(pass.classOf(id).price, PRICE, "price");
    }

    function testFuzz_badClassesAreRefused(uint128 price, uint48 period, uint32 ahead) public {
        bool good = price > 0 && period > 0 && period <= pass.PERIOD_MAX() && ahead > 0 && ahead <= pass.AHEAD_MAX();
        if (!good) VM.expectRevert(IPass.BadClass.selector);
        pass.register(8, address(dollar), price, period, ahead, 0);
        VM.expectRevert(IPass.BadClass.selector);
        pass.register(9, address(0), 1, 1, 1, 0);
    }

    /// @dev Whatever is bought when: time and money agree, and it never reaches further than allowed.
    function testFuzz_timeIsWhatWasPaid(uint32[6] calldata periods, uint32[6] calldata waits) public {
        uint256 time = NOW;
        uint256 until;
        uint256 paid;
        for (uint256 i = 0; i < 6; ++i) {
            uint32 n = uint32(bound(periods[i], 0, AHEAD + 1));
            time += bound(waits[i], 0, 90 days);
            VM.warp(time);
            uint256 next = (until > time ? until : time) + uint256(n) * PERIOD;
            if (n == 0 || n > AHEAD || next > time + uint256(AHEAD) * PERIOD) {
                VM.expectRevert(abi.encodeWithSelector(IPass.BadPeriods.selector, n, AHEAD));
                pass.buy(id, n);
                continue;
            }
            equal(pass.buy(id, n), next, "answer");
            until = next;
            paid += uint256(n) * PRICE;
        }
        equal(left(), until, "expires");
        equal(dollar.balanceOf(PROVIDER), paid, "paid");
        equal(dollar.balanceOf(address(pass)), 0, "kept nothing");
        equal(pass.balanceOf(address(this), id), until == 0 ? 0 : 1, "one token");
        equal(pass.expiresAt(id, STRANGER), 0, "nobody else");
    }

    function test_largestClassFits() public {
        PlainToken token = new PlainToken();
        uint256 big = pass.register(1, address(token), type(uint128).max, pass.PERIOD_MAX(), pass.AHEAD_MAX(), 0);
        token.mint(address(this), uint256(type(uint128).max) * 1_000);
        token.approve(address(pass), type(uint256).max);
        equal(pass.buy(big, 1_000), NOW + uint256(366 days) * 1_000, "expires");
    }

    function test_withoutMoneyNothingHappens() public {
        VM.startPrank(STRANGER);
        dollar.approve(address(pass), PRICE);
        VM.expectRevert();
        pass.buy(id, 1);
        VM.stopPrank();
        equal(pass.expiresAt(id, STRANGER), 0, "expires");
        equal(pass.balanceOf(STRANGER, id), 0, "token");
        VM.expectRevert(abi.encodeWithSelector(IPass.UnknownClass.selector, uint256(5)));
        pass.buy(5, 1);
    }

    function test_aTokenThatDoesNotPayBuysNothing() public {
        FalseToken token = new FalseToken();
        token.setBroken(true);
        uint256 other = pass.register(1, address(token), 5, PERIOD, AHEAD, 0);
        VM.expectRevert();
        pass.buy(other, 1);
        BarringToken barring = new BarringToken();
        barring.mint(address(this), 5);
        barring.approve(address(pass), 5);
        barring.pause(true);
        other = pass.register(2, address(barring), 5, PERIOD, AHEAD, 0);
        VM.expectRevert();
        pass.buy(other, 1);
        equal(pass.expiresAt(other, address(this)), 0, "expires");
    }

    function test_soulbound() public {
        pass.buy(id, 1);
        VM.expectRevert(IPass.Soulbound.selector);
        pass.safeTransferFrom(address(this), STRANGER, id, 1, "");
        uint256[] memory ids = new uint256[](1);
        uint256[] memory values = new uint256[](1);
        (ids[0], values[0]) = (id, 1);
        VM.expectRevert(IPass.Soulbound.selector);
        pass.safeBatchTransferFrom(address(this), STRANGER, ids, values, "");
        pass.setApprovalForAll(STRANGER, true);
        VM.prank(STRANGER);
        VM.expectRevert(IPass.Soulbound.selector);
        pass.safeTransferFrom(address(this), STRANGER, id, 1, "");
        equal(pass.balanceOf(address(this), id), 1, "stays");
    }

    /// @dev Who comes back in during the transfer buys what it pays for, and nothing more.
    function test_reentrancyBuysNothingForFree() public {
        ReentrantToken token = new ReentrantToken();
        uint256 other = pass.register(3, address(token), 5, PERIOD, AHEAD, 0);
        token.mint(address(this), 5);
        token.approve(address(pass), 5);
        token.arm(address(pass), abi.encodeCall(IPass.buy, (other, 1)));
        pass.buy(other, 1);
        isTrue(token.entered() && !token.succeeded(), "the token has no allowance of its own");
        equal(pass.expiresAt(other, address(this)), NOW + PERIOD, "one period");
    }
}
