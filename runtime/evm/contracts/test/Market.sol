// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {TestDollar} from "../TestDollar.sol";
import {Vault} from "../Vault.sol";
import {Row, Signing} from "./Signing.sol";
import {PlainToken} from "./Tokens.sol";
import {VM} from "./Vm.sol";

/// @dev What the tests of the vault start from: a vault of 100,000 dollars of this contract, and its payee.
abstract contract Market is Signing {
    uint256 internal constant KEY = 0xA11CE;
    uint256 internal constant PAYEE_KEY = 0xB0B;
    uint256 internal constant ARBITER_KEY = 0xA4B;
    address internal constant STRANGER = address(0x5742);

    Vault internal vault;
    TestDollar internal dollar;
    address internal payee;
    bytes32 internal id;

    function setUp() public virtual {
        VM.warp(1_000_000);
        vault = new Vault();
        dollar = new TestDollar();
        payee = VM.addr(PAYEE_KEY);
        dollar.mint(address(this), 1_000_000);
        dollar.approve(address(vault), type(uint256).max);
        id = vault.open(terms(address(dollar)), 100_000);
    }

    function terms(address token) internal view returns (IVault.Terms memory) {
        return IVault.Terms(address(this), VM.addr(KEY), token, 1 hours, 7);
    }

    function lane(bytes32 vaultId, uint64 number, uint128 total) internal returns (bytes32) {
        return laneTo(vaultId, payee, number, total);
    }

    function laneTo(bytes32 vaultId, address to, uint64 number, uint128 total) internal returns (bytes32) {
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(to, number, total);
        vault.reserve(vaultId, rows);
        return vault.laneIdOf(vaultId, to, number);
    }

    function claimRows(Row[] memory rows) internal returns (uint256) {
        return vault.claim(batchesOf(vault, rows));
    }

    function claimed(bytes32 laneId) internal view returns (uint128) {
        (IVault.Lane memory state,) = vault.laneOf(laneId);
        return state.claimed;
    }

    function other(PlainToken token) internal returns (bytes32 vaultId) {
        token.mint(address(this), 1_000);
        token.approve(address(vault), 1_000);
        return vault.open(terms(address(token)), 1_000);
    }
}
