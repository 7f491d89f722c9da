// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Market} from "./Market.sol";
import {BarringToken, FalseToken, FeeToken, LyingToken, ReentrantToken} from "./Tokens.sol";
import {Row} from "./Signing.sol";
import {VM, equal, isTrue} from "./Vm.sol";

/// @dev Tokens that take fees, lie, bar, pause or call back: a deposit counts what arrived, a payee is credited.
contract HostileTokensTest is Market {
    function test_tokenFeeOnTransfer_isRefused() public {
        FeeToken token = new FeeToken();
        token.mint(address(this), 1_000);
        token.approve(address(vault), 1_000);
        VM.expectRevert(abi.encodeWithSelector(IVault.DepositMismatch.selector, 1_000, 990));
        vault.open(terms(address(token)), 1_000);
    }

    function test_tokenFalseReturning_isRefusedOnTheWayIn() public {
        LyingToken lying = new LyingToken();
        VM.expectRevert(abi.encodeWithSelector(IVault.DepositMismatch.selector, 1_000, 0));
        vault.open(terms(address(lying)), 1_000);
        FalseToken token = new FalseToken();
        token.setBroken(true);
        VM.expectRevert();
        vault.open(terms(address(token)), 1_000);
    }

    function test_tokenFalseReturning_becomesCreditOnTheWayOut() public {
        FalseToken token = new FalseToken();
        bytes32 second = other(token);
        bytes32 laneId = lane(second, 1, 100);
        token.setBroken(true);
        claimRows(one(plain(KEY, address(vault), laneId, 60)));
        equal(vault.creditOf(address(token), payee), 60, "credit");
        VM.startPrank(payee);
        VM.expectRevert();
        vault.collect(address(token), payee);
        token.setBroken(false);
        vault.collect(address(token), STRANGER);
        VM.expectRevert(IVault.NothingToCollect.selector);
        vault.collect(address(token), STRANGER);
        VM.stopPrank();
        equal(token.balanceOf(STRANGER), 60, "collected");
    }

    /// @dev One barred payee does not hold up the batch, and loses nothing.
    function test_tokenBlacklistedPayee_isCreditedAndHoldsUpNobody() public {
        BarringToken token = new BarringToken();
        bytes32 second = other(token);
        address friend = address(0xF0);
        Row[] memory rows = new Row[](2);
        rows[0] = plain(KEY, address(vault), lane(second, 1, 100), 60);
        rows[1] = plain(KEY, address(vault), laneTo(second, friend, 1, 100), 30);
        token.bar(payee, true);
        claimRows(rows);
        equal(token.balanceOf(friend), 30, "friend");
        equal(vault.creditOf(address(token), payee), 60, "credit");
        equal(token.balanceOf(address(vault)), 1_000 - 30, "I2");
    }

    function test_tokenPaused_paysLater() public {
        BarringToken token = new BarringToken();
        bytes32 second = other(token);
        bytes32 laneId = lane(second, 1, 100);
        token.pause(true);
        claimRows(one(plain(KEY, address(vault), laneId, 60)));
        VM.expectRevert();
        vault.withdraw(second, 1, address(this));
        token.pause(false);
        VM.prank(payee);
        vault.collect(address(token), payee);
        equal(token.balanceOf(payee), 60, "collected");
    }

    function test_tokenReentrant_getsNothing() public {
        ReentrantToken token = new ReentrantToken();
        bytes32 second = other(token);
        bytes32 laneId = lane(second, 1, 100);
        Row[] memory rows = one(plain(KEY, address(vault), laneId, 60));
        token.arm(address(vault), abi.encodeCall(IVault.claim, (batchesOf(vault, rows))));
        claimRows(rows);
        isTrue(token.entered() && !token.succeeded(), "refused inside");
        equal(token.balanceOf(payee), 60, "paid once");
    }

    function test_tokenWithoutCodeCannotBeDeposited() public {
        VM.expectRevert();
        vault.open(terms(address(0xDEAD)), 1);
    }
}
